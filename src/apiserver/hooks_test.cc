// Webhooks: whose signature is good has a repository looked at; everybody else learns nothing.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <set>

#include "apiserver/testing.h"
#include "git/hook.h"
#include "git/repository.h"

namespace ingot::apiserver {
namespace {

const std::string kCommit(40, 'a'), kOther(40, 'b');
constexpr std::string_view kSecret = "a secret of webhooks";

std::string pushed(const std::string& commit, const std::string& branch = "main") {
  return R"({"ref":"refs/heads/)" + branch + R"(","after":")" + commit + R"("})";
}

class HooksTest : public testing::Test {
 protected:
  HooksTest() {
    make("/api/v1/namespaces/default/secrets",
         R"({"metadata":{"name":"hook"},"data":{"secret":")" + base64(kSecret) + R"("}})");
    make(kRepositories,
         R"({"metadata":{"name":"digits"},"spec":{"url":"https://git.example/x","branches":["main"],)"
         R"("webhook":{"provider":"github","secretRef":{"name":"hook"}}}})");
  }
  void make(const std::string& path, const std::string& body) {
    const Response made = plane.call(vision, "POST", path, body);
    ASSERT_EQ(made.code, 201) << made.body;
  }
  Response send(const std::string& body, const std::string& delivery = "d-1",
                std::string_view secret = kSecret,
                const std::string& target = "/clusters/vision/hooks/default/digits",
                const std::string& remote = "192.0.2.1:1") {
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(EVP_sha256(), secret.data(), int(secret.size()), reinterpret_cast<const unsigned char*>(body.data()),
         body.size(), hash, &size);
    const std::string signature = "sha256=" + hex({reinterpret_cast<const char*>(hash), size});
    return plane
        .send({.method = "POST",
               .target = target,
               .hook_headers = {{"x-github-event", "push"},
                                {"x-github-delivery", delivery},
                                {"x-hub-signature-256", signature}},
               .body = body,
               .remote = remote})
        ->response;
  }
  std::string asked() {
    const api::Json object = plane.call(vision, "GET", kRepositories + "/digits").json();
    return std::string(api::string_at(object, {"metadata", "annotations", git::kSyncAnnotation}));
  }

  static inline const std::string kRepositories =
      "/apis/factory.ingot.dev/v1alpha1/namespaces/default/repositories";
  TestControlPlane plane;
  Identity vision = plane.tenant("vision");
};

TEST_F(HooksTest, APushHasTheRepositoryLookedAt) {
  EXPECT_EQ(asked(), "");
  const Response taken = send(pushed(kCommit));
  EXPECT_EQ(taken.code, 202) << taken.body;
  EXPECT_NE(asked().find(kCommit.substr(0, 12)), std::string::npos);
}

TEST_F(HooksTest, ADeliveryCountsOnce) {
  send(pushed(kCommit));
  const std::string before = asked();
  EXPECT_EQ(send(pushed(kCommit)).code, 200);
  EXPECT_EQ(asked(), before);
  EXPECT_EQ(send(pushed(kOther), "d-2").code, 202);
  EXPECT_NE(asked(), before);
}

TEST_F(HooksTest, OtherBranchesAndEventsAskForNothing) {
  EXPECT_EQ(send(pushed(kCommit, "wip")).code, 200);
  EXPECT_EQ(send(pushed(std::string(40, '0'))).code, 200);
  EXPECT_EQ(send("no JSON").code, 400);
  EXPECT_EQ(asked(), "");
}

TEST_F(HooksTest, WhoeverDoesNotKnowTheSecretLearnsNothing) {
  std::set<std::pair<int, std::string>> answers;
  for (const std::string target :
       {"/clusters/vision/hooks/default/digits", "/clusters/vision/hooks/default/absent",
        "/clusters/vision/hooks/absent/digits", "/clusters/absent/hooks/default/digits",
        "/clusters/root/hooks/default/digits"}) {
    const Response answer = send(pushed(kCommit), "d-1", "another", target);
    answers.emplace(answer.code, answer.body);
  }
  EXPECT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers.begin()->first, 404);
  EXPECT_EQ(asked(), "");
}

TEST_F(HooksTest, AnAddressHasItsShare) {
  int refused = 0;
  for (int i = 0; i < 100; ++i) refused += send("x", "d", "another").code == 429;
  EXPECT_EQ(refused, 40);
  EXPECT_EQ(
      send(pushed(kCommit), "d-1", kSecret, "/clusters/vision/hooks/default/digits", "198.51.100.1:5").code,
      202);
  plane.t.loop.advance(std::chrono::seconds(1));
  EXPECT_EQ(send("x", "d", "another").code, 404);
}

TEST_F(HooksTest, BodiesAreBounded) { EXPECT_EQ(send(std::string(git::kLargestHook + 1, ' ')).code, 413); }

}  // namespace
}  // namespace ingot::apiserver
