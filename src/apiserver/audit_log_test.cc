#include "apiserver/audit_log.h"

#include <gmock/gmock.h>

#include "api/json.h"
#include "store/testing.h"

namespace ingot::apiserver {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

struct AuditLogTest : testing::Test {
  void row(std::string cluster, std::string data, std::string stream = "audit") {
    ASSERT_TRUE(f.input([&](store::Turn& turn) {
      turn.append({.stream = std::move(stream),
                   .cluster = std::move(cluster),
                   .at = f.t.clock.wall(),
                   .data = std::move(data)});
    }));
    f.t.loop.advance(1min);
  }
  api::Json ask(AuditQuery query) {
    std::optional<Result<std::string>> told;
    read_audit(*f.shard, std::move(query), [&](Result<std::string> text) { told = std::move(text); });
    f.t.loop.run_until_idle();
    EXPECT_TRUE(told && *told);
    const auto value = told && *told ? api::parse_json(**told) : Result<api::Json>(api::Json());
    EXPECT_TRUE(value) << **told;
    return value ? *value : api::Json();
  }
  std::vector<std::string> names(const api::Json& answer) {
    std::vector<std::string> all;
    for (const api::Json& row : api::array_at(answer, {"rows"}))
      all.emplace_back(api::string_at(row, {"name"}));
    return all;
  }
  store::Fixture f;
};

TEST_F(AuditLogTest, TellsWhatMatches) {
  row("a",
      R"({"user":"ada","verb":"create","resource":"pods","name":"one","decision":"allow","revision":3})");
  row("a", R"({"user":"bob","verb":"get","resource":"pods","name":"two","decision":"deny"})");
  row("b",
      R"({"user":"ada","verb":"delete","resource":"models","name":"three","decision":"allow","revision":4})");
  row("a", R"({"user":"no","name":"ledger"})", "ledger");
  EXPECT_THAT(names(ask({})), ElementsAre("one", "two", "three"));
  EXPECT_THAT(names(ask({.cluster = "a"})), ElementsAre("one", "two"));
  EXPECT_THAT(names(ask({.user = "ada"})), ElementsAre("one", "three"));
  EXPECT_THAT(names(ask({.user = "ada", .verb = "delete", .resource = "models"})), ElementsAre("three"));
  EXPECT_THAT(names(ask({.name = "two"})), ElementsAre("two"));
  EXPECT_THAT(names(ask({.denied = true})), ElementsAre("two"));
  EXPECT_THAT(names(ask({.changes = true})), ElementsAre("one", "three"));
  const api::Json all = ask({});
  EXPECT_EQ(api::string_at(api::array_at(all, {"rows"})[2], {"cluster"}), "b");
  EXPECT_EQ(api::string_at(api::array_at(all, {"rows"})[0], {"at"}), "2026-01-02T03:00:00.000000Z");
}

TEST_F(AuditLogTest, SomebodysWordsDoNotPassForAField) {
  row("a", R"({"user":"mallory","verb":"get","name":"\"user\":\"ada\"","resource":"pods"})");
  EXPECT_THAT(names(ask({.user = "ada"})), IsEmpty());
  EXPECT_THAT(names(ask({.user = R"(ada","verb":"get)"})), IsEmpty());
}

TEST_F(AuditLogTest, FindsATimeAndGoesOnPageByPage) {
  for (int i = 0; i < 60; ++i) row("a", R"({"user":"ada","name":"n)" + std::to_string(i) + "\"}");
  const auto since = f.t.clock.wall() - 5min;
  EXPECT_THAT(names(ask({.since = since})), ElementsAre("n55", "n56", "n57", "n58", "n59"));
  api::Json page = ask({.since = since, .most = 2});
  EXPECT_THAT(names(page), ElementsAre("n55", "n56"));
  page = ask({.since = since, .after = std::stoull(std::string(api::string_at(page, {"next"}))), .most = 4});
  EXPECT_THAT(names(page), ElementsAre("n57", "n58", "n59"));
  EXPECT_FALSE(api::find(page, {"next"}));
  EXPECT_THAT(names(ask({.since = f.t.clock.wall() + 1h})), IsEmpty());
}

}  // namespace
}  // namespace ingot::apiserver
