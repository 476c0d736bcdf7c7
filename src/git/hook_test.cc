#include "git/hook.h"

#include <gtest/gtest.h>

namespace ingot::git {
namespace {

constexpr std::string_view kCommit = "6113728f27ae82c7b1a177c8d03f9e96e0adf246";
const std::string kPush = R"({"ref":"refs/heads/main","after":")" + std::string(kCommit) + R"("})";

TEST(Hook, GitHubsOwnExampleIsSigned) {
  // GitHub, "Validating webhook deliveries": secret, payload and signature to test an implementation with.
  const HookHeaders headers{
      {"x-hub-signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}};
  EXPECT_TRUE(hook_is_signed("github", "It's a Secret to Everybody", headers, "Hello, World!"));
  EXPECT_FALSE(hook_is_signed("github", "It's a Secret to Everybody", headers, "Hello, World"));
  EXPECT_FALSE(hook_is_signed("github", "another", headers, "Hello, World!"));
  EXPECT_FALSE(hook_is_signed("gitea", "It's a Secret to Everybody", headers, "Hello, World!"));
}

TEST(Hook, GiteaAndForgejoSendTheHashAlone) {
  for (const std::string provider : {"gitea", "forgejo"}) {
    const HookHeaders headers{
        {"x-" + provider + "-signature", "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}};
    EXPECT_TRUE(hook_is_signed(provider, "It's a Secret to Everybody", headers, "Hello, World!")) << provider;
  }
}

TEST(Hook, GitLabSaysItsToken) {
  EXPECT_TRUE(hook_is_signed("gitlab", "abc", {{"x-gitlab-token", "abc"}}, "anything"));
  EXPECT_FALSE(hook_is_signed("gitlab", "abc", {{"x-gitlab-token", "abcd"}}, "anything"));
  EXPECT_FALSE(hook_is_signed("gitlab", "abc", {}, "anything"));
}

TEST(Hook, AnEmptySecretSignsNothing) {
  EXPECT_FALSE(hook_is_signed("gitlab", "", {{"x-gitlab-token", ""}}, ""));
  EXPECT_FALSE(hook_is_signed("gitlab", "", {{"x-gitlab-token", "none"}}, ""));
  EXPECT_FALSE(hook_is_signed("nobody", "abc", {{"x-gitlab-token", "abc"}}, ""));
}

TEST(Hook, APushNamesBranchAndCommit) {
  const auto event = read_hook("github", {{"x-github-event", "push"}, {"x-github-delivery", "d-1"}}, kPush);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, HookEvent::Kind::Push);
  EXPECT_EQ(event->branch, "main");
  EXPECT_EQ(event->commit, kCommit);
  EXPECT_EQ(event->delivery, "d-1");
  EXPECT_EQ(read_hook("gitlab", {{"x-gitlab-event", "Push Hook"}}, kPush)->branch, "main");
  EXPECT_EQ(read_hook("forgejo", {{"x-forgejo-event", "push"}}, kPush)->branch, "main");
}

TEST(Hook, ADeletedBranchHasNoCommitAndATagNoBranch) {
  const std::string gone = R"({"ref":"refs/heads/old","after":")" + std::string(40, '0') + R"("})";
  EXPECT_EQ(read_hook("gitea", {{"x-gitea-event", "push"}}, gone)->commit, "");
  const std::string tag = R"({"ref":"refs/tags/v1","after":")" + std::string(kCommit) + R"("})";
  EXPECT_EQ(read_hook("gitea", {{"x-gitea-event", "push"}}, tag)->branch, "");
}

TEST(Hook, OtherEventsAreNotReadAtAll) {
  EXPECT_EQ(read_hook("github", {{"x-github-event", "ping"}}, "no JSON")->kind, HookEvent::Kind::Ping);
  EXPECT_EQ(read_hook("github", {{"x-github-event", "issues"}}, "no JSON")->kind, HookEvent::Kind::Other);
  EXPECT_EQ(read_hook("github", {}, kPush)->kind, HookEvent::Kind::Other);
}

TEST(Hook, WhatIsNoPushIsRefused) {
  for (const std::string_view body :
       {"", "no JSON", "[]", "{}", R"({"ref":"refs/heads/main"})",
        R"({"ref":"refs/heads/main","after":"HEAD"})", R"({"ref":1,"after":2})"})
    EXPECT_FALSE(read_hook("github", {{"x-github-event", "push"}}, body)) << body;
}

}  // namespace
}  // namespace ingot::git
