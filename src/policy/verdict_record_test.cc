#include "policy/verdict_record.h"

#include <gtest/gtest.h>

#include "policy/gates_testing.h"
#include "policy/promotion.h"

namespace ingot::policy {
namespace {
using namespace std::chrono_literals;
using api::Json;
using api::string_at;

TEST(VerdictRecord, IsASlsaVerificationSummaryOfWhatWasJudged) {
  GateSet set;
  put_gate(set, "scanned", R"("security":{"scan":{"maxAge":"24h"}})");
  put_scan(set, "s1", kRun, kNow - 1h, R"({"low":1})");
  GatesWork work;
  const auto summary = [&] {
    return *api::parse_json(to_verification_summary(set.judge(work.facts, kNow), work.facts, set, kNow));
  };
  Json s = summary();
  EXPECT_EQ(string_at(s, {"_type"}), "https://in-toto.io/Statement/v1");
  EXPECT_EQ(string_at(s, {"predicateType"}), "https://slsa.dev/verification_summary/v1");
  EXPECT_EQ(string_at(s, {"predicate", "verifier", "id"}), kVerifier);
  EXPECT_EQ(string_at(s, {"predicate", "verificationResult"}), "PASSED");
  EXPECT_EQ(string_at(s, {"predicate", "resourceUri"}), "ingot:vision/n/Pod/p");
  EXPECT_EQ(string_at(s.at("predicate").at("inputAttestations").as_array().at(0), {"uri"}),
            "ingot:imagescans/s1");
  EXPECT_EQ(string_at(s.at("subject").as_array().at(0), {"digest", "sha256"}).size(), 64u);
  const std::string policy(string_at(s, {"predicate", "policy", "digest", "sha256"}));
  put_gate(set, "scanned", R"("security":{"scan":{"maxAge":"1m"}})");
  s = summary();
  EXPECT_EQ(string_at(s, {"predicate", "verificationResult"}), "FAILED");
  EXPECT_NE(string_at(s, {"predicate", "policy", "digest", "sha256"}), policy);
  EXPECT_EQ(string_at(s.at("predicate").at("ingot_findings").as_array().at(0), {"rule"}), "r");
}

TEST(VerdictRecord, TheSameVerdictIsTheSameRow) {
  GateSet set;
  put_gate(set, "pinned", R"("security":{"imagesByDigest":true})");
  GatesWork work, pinned("train@" + kRun);
  const auto row = [&](const Facts& facts, WallTime at) {
    return verdict_row(set.judge(facts, at), facts, set, at);
  };
  EXPECT_EQ(row(work.facts, kNow).unique, row(work.facts, kNow + 1h).unique);
  EXPECT_NE(row(work.facts, kNow).unique, row(pinned.facts, kNow).unique);
  const Json data = *api::parse_json(row(work.facts, kNow).data);
  EXPECT_EQ(string_at(data, {"result"}), "FAILED");
  EXPECT_TRUE(string_at(data, {"text"}).starts_with("gate pinned, rule r: "));
}

TEST(Promotion, IsHeldByAQualityGateAndARollbackIsNot) {
  GateSet set;
  put_gate(set, "good",
           R"("quality":{"metrics":[{"name":"accuracy","min":"0.95","noWorseThan":"production"}]})");
  const Json model = gates_json(R"({"metadata":{"name":"digits"},"spec":{"name":"digits"}})");
  const auto version = [](double accuracy) {
    return gates_json(fmt::format(
        R"({{"metadata":{{"name":"digits-v4"}},"spec":{{"provenanceOf":{{"metrics":{{"accuracy":"{}"}}}}}},
            "status":{{"phase":"Ready"}}}})",
        accuracy));
  };
  const Json worse = version(0.9), better = version(0.97);
  Promotion asked{
      .model = model, .version = worse, .current = nullptr, .alias = "production", .tenant = "vision"};
  const PromotionVerdict v = judge_promotion(asked, set, kNow);
  EXPECT_FALSE(v.allowed);
  EXPECT_EQ(v.reason, "gate good, rule r: accuracy of digits-v4 is 0.9, and must be at least 0.95");
  EXPECT_EQ(v.gates.gates.size(), 1u);
  put_exception(set, "e", "good", R"({"tenant":"vision","model":"digits"})", kNow + 1h);
  EXPECT_TRUE(judge_promotion(asked, set, kNow).allowed);
  set.set_exception("e", nullptr);
  asked.back = true;
  EXPECT_TRUE(judge_promotion(asked, set, kNow).allowed);
  EXPECT_TRUE(judge_promotion(
                  {.model = model, .version = better, .current = nullptr, .alias = "a", .tenant = "vision"},
                  set, kNow)
                  .allowed);
}

}  // namespace
}  // namespace ingot::policy
