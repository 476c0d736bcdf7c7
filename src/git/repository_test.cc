#include "git/repository.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace ingot::git {
namespace {

using api::Json;

const WallTime kNow = *parse_rfc3339("2026-01-02T03:04:05Z");

Json object() {
  return *api::parse_json(R"({"metadata":{"name":"digits","uid":"u","generation":3,
    "annotations":{"factory.ingot.dev/sync":"now"}},
    "spec":{"url":"https://git.example/x","branches":["main"],"interval":"5m","pipeline":"p.yaml",
            "serviceAccountName":"default","secretRef":{"name":"s"},"requireSignedCommits":true}})");
}

TEST(Repository, ItsSpecIsRead) {
  const Repository repository = read_repository(object());
  EXPECT_EQ(repository.url, "https://git.example/x");
  EXPECT_EQ(repository.branches, std::vector<std::string>{"main"});
  EXPECT_EQ(repository.interval, std::chrono::minutes(5));
  EXPECT_EQ(repository.secret, "s");
  EXPECT_EQ(repository.asked, "now");
  EXPECT_TRUE(repository.signed_only);
  EXPECT_FALSE(repository.suspended);
}

TEST(Repository, ItsStateIsReadAsItWasWritten) {
  Json json = object();
  const RepositoryState state{
      .url = "https://git.example/x",
      .head = "main",
      .synced_for = "now",
      .synced = kNow,
      .branches = {{"main", {.commit = "abc", .workflow = "digits-abc", .seen = kNow}},
                   {"feature/x", {.commit = "def", .message = "why"}}}};
  EXPECT_TRUE(write_state(json, state, Started{"digits-abc", "main", "abc"}, kNow));
  const RepositoryState read = read_state(json);
  EXPECT_EQ(read.url, state.url);
  EXPECT_EQ(read.synced, state.synced);
  ASSERT_EQ(read.branches.size(), 2u);
  EXPECT_EQ(read.branches.at("main").workflow, "digits-abc");
  EXPECT_EQ(read.branches.at("feature/x").message, "why");
  EXPECT_EQ(api::string_at(json, {"status", "lastRun", "workflow"}), "digits-abc");
  EXPECT_FALSE(write_state(json, state, std::nullopt, kNow));
}

TEST(Repository, AConditionKeepsTheTimeOfItsChange) {
  Json json = object();
  EXPECT_TRUE(write_condition(json, "Ready", false, "Unreachable", "no", kNow));
  EXPECT_EQ(api::string_at(json, {"status", "lastError"}), "no");
  EXPECT_FALSE(write_condition(json, "Ready", false, "Unreachable", "no", kNow + std::chrono::hours(1)));
  EXPECT_TRUE(write_condition(json, "Ready", true, "Synced", "yes", kNow + std::chrono::hours(2)));
  EXPECT_EQ(api::find(json, {"status", "lastError"}), nullptr);
  const auto& conditions = api::array_at(json, {"status", "conditions"});
  ASSERT_EQ(conditions.size(), 1u);
  EXPECT_EQ(api::string_at(conditions[0], {"lastTransitionTime"}), "2026-01-02T05:04:05Z");
}

TEST(Repository, WhatIsWrongIsOfTheRemoteBeforeACommit) {
  const auto wrong = [](const Json& json) { return api::string_at(json, {"status", "lastError"}); };
  Json json = object();
  (void)write_condition(json, "Ready", true, "Synced", "read", kNow);
  (void)write_condition(json, "Started", false, "NoPipeline", "branch main: no pipeline", kNow);
  EXPECT_EQ(wrong(json), "branch main: no pipeline");
  (void)write_condition(json, "Ready", false, "Unreachable", "no answer", kNow);
  EXPECT_EQ(wrong(json), "no answer");
  (void)write_condition(json, "Ready", true, "Synced", "read", kNow);
  EXPECT_EQ(wrong(json), "branch main: no pipeline");
  (void)write_condition(json, "Started", true, "Started", "runs", kNow);
  EXPECT_EQ(wrong(json), "");
}

TEST(Repository, ATokenIsAPassword) {
  const Json secret = api::JsonObject{{"data", {{"token", base64("t")}, {"known_hosts", base64("k")}}}};
  const env::GitCredential credential = credential_of(secret);
  EXPECT_EQ(credential.password, "t");
  EXPECT_EQ(credential.known_hosts, "k");
  EXPECT_EQ(credential.private_key, "");
}

}  // namespace
}  // namespace ingot::git
