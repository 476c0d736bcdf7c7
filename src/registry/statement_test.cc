#include "registry/statement.h"

#include <gtest/gtest.h>

#include "api/json.h"
#include "base/encoding.h"
#include "registry/bundle.h"

namespace ingot::registry {
namespace {

data::Manifest files(std::vector<std::pair<std::string, std::string>> all) {
  std::vector<data::ManifestFile> list;
  for (auto& [name, bytes] : all) list.push_back({name, Digest::of(bytes), int64_t(bytes.size())});
  return *data::make_manifest(std::move(list));
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  const size_t at = text.find(what);
  EXPECT_NE(at, text.npos) << what;
  return at == text.npos ? text : text.replace(at, what.size(), with);
}

TEST(Statement, HoldsEveryFileAndReadsBack) {
  const data::Manifest model = files({{"b/weights", "w"}, {"MLmodel", "m"}});
  const std::string text = to_statement("digits-v4", model);
  const auto json = api::parse_json(text);
  ASSERT_TRUE(json);
  EXPECT_EQ(api::string_at(*json, {"_type"}), "https://in-toto.io/Statement/v1");
  EXPECT_EQ(api::string_at(*json, {"predicateType"}), "https://model_signing/signature/v1.0");
  const auto& resources = api::array_at(*json, {"predicate", "resources"});
  ASSERT_EQ(resources.size(), 2u);
  EXPECT_EQ(api::string_at(resources[0], {"name"}), "MLmodel");
  EXPECT_EQ(api::string_at(resources[0], {"digest"}), Digest::of("m").hex());
  // The subject: SHA-256 of the raw digests, one after the other.
  EXPECT_EQ(api::string_at(api::array_at(*json, {"subject"})[0], {"digest", "sha256"}),
            hex(sha256(sha256("m") + sha256("w"))));
  const auto read = parse_statement(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->name, "digits-v4");
  EXPECT_EQ(difference(*read, model), "");
}

TEST(Statement, TellsWhatIsNotAsItWasSigned) {
  const auto read = parse_statement(to_statement("m", files({{"a", "1"}, {"c", "3"}})));
  ASSERT_TRUE(read);
  EXPECT_EQ(difference(*read, files({{"a", "1"}, {"c", "4"}})), "c: has changed since it was signed");
  EXPECT_EQ(difference(*read, files({{"a", "1"}})), "c: is missing");
  EXPECT_EQ(difference(*read, files({{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", ""}})),
            "b: was not signed\nd: was not signed");
}

TEST(Statement, LeavesOutOnlyWhatItSays) {
  std::string text = to_statement("m", files({{"a", "1"}}));
  text = replaced(text, R"("ignore_paths":[])", R"("ignore_paths":[".git","model.sig"])");
  const auto read = parse_statement(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(difference(*read, files({{"a", "1"}, {"model.sig", "s"}, {".git/HEAD", "h"}})), "");
  EXPECT_EQ(difference(*read, files({{"a", "1"}, {".gitignore", "s"}})), ".gitignore: was not signed");
}

TEST(Statement, RefusesWhatCouldBeReadInTwoWays) {
  const std::string good = to_statement("m", files({{"a", "1"}, {"b", "2"}}));
  const std::string a = Digest::of("1").hex(), b = Digest::of("2").hex();
  const std::pair<std::string, std::string> changes[] = {
      {a, b},                                        // the list no longer is the subject's
      {R"("name":"a")", R"("name":"../a")"},         // leads elsewhere
      {R"("name":"a")", R"("name":"/etc/passwd")"},  //
      {R"("name":"a")", R"("name":"b")"},            // twice the same
      {R"("algorithm":"sha256")", R"("algorithm":"md5")"},
      {R"("method":"files")", R"("method":"shards")"},
      {R"("hash_type":"sha256")", R"("hash_type":"blake2b")"},
      {"https://model_signing/signature/v1.0", "https://slsa.dev/provenance/v1"},
      {"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"},
      {R"("ignore_paths":[])", R"("ignore_paths":["../x"])"},
  };
  ASSERT_TRUE(parse_statement(good));
  for (const auto& [what, with] : changes) EXPECT_FALSE(parse_statement(replaced(good, what, with))) << with;
  EXPECT_FALSE(parse_statement("{}"));
  EXPECT_FALSE(parse_statement("[[[["));
}

TEST(Statement, SignsNothingThatVerifiersCannotRead) {
  EXPECT_TRUE(check_signable(files({{"a b", "1"}})));
  EXPECT_FALSE(check_signable(files({{"a:b", "1"}})));
  EXPECT_FALSE(check_signable(data::Manifest{}));
}

TEST(Bundle, IsDsseInABundleAndReadsBack) {
  const Envelope sent{R"({"a":1})", std::string("\x30\x02\x01\x00", 4), "abcd"};
  EXPECT_EQ(pre_authentication(sent.payload), "DSSEv1 28 application/vnd.in-toto+json 7 {\"a\":1}");
  const std::string text = to_bundle(sent);
  const auto json = api::parse_json(text);
  ASSERT_TRUE(json);
  EXPECT_EQ(api::string_at(*json, {"mediaType"}), "application/vnd.dev.sigstore.bundle.v0.3+json");
  EXPECT_TRUE(api::find(*json, {"verificationMaterial", "tlogEntries"})->is_array());
  EXPECT_EQ(api::string_at(api::array_at(*json, {"dsseEnvelope", "signatures"})[0], {"keyid"}), "");
  const auto got = parse_bundle(text);
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->payload, sent.payload);
  EXPECT_EQ(got->signature, sent.signature);
  EXPECT_EQ(got->hint, "abcd");
}

TEST(Bundle, HasOneSignatureOfAKey) {
  const std::string good = to_bundle({"{}", "s", "h"});
  ASSERT_TRUE(parse_bundle(good));
  EXPECT_FALSE(
      parse_bundle(replaced(good, R"("signatures":[)", R"("signatures":[{"sig":"cw==","keyid":""},)")));
  EXPECT_FALSE(parse_bundle(replaced(good, R"([{"sig":"cw==","keyid":""}])", "[]")));
  EXPECT_FALSE(parse_bundle(replaced(good, "publicKey", "certificate")));
  EXPECT_FALSE(parse_bundle(replaced(good, "bundle.v0.3", "bundle.v0.1")));
  EXPECT_FALSE(parse_bundle(replaced(good, "vnd.in-toto", "vnd.other")));
  EXPECT_FALSE(parse_bundle(replaced(good, "cw==", "****")));
  EXPECT_FALSE(parse_bundle(""));
}

}  // namespace
}  // namespace ingot::registry
