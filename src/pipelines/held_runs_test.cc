#include "pipelines/held_runs.h"

#include <gmock/gmock.h>

#include "pipelines/testing.h"

namespace ingot::pipelines {
namespace {

using api::Json;
using api::JsonObject;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::string_view kOneStep = R"(
entrypoint: main
templates:
- {name: main, container: {image: i}}
)";

class HeldRunsTest : public testing::Test {
 protected:
  HeldRunsTest() {
    f.judge = [this](const store::Turn&, const RunToJudge& run) -> std::optional<RunSaid> {
      if (!ready) return std::nullopt;
      EXPECT_EQ(api::array_at(run.spec, {"templates"}).size(), 1u);
      asked.emplace_back(run.key.name());
      if (!concerned) return RunSaid{};
      return RunSaid{true, held, R"({"kind":"Workflow"})", "Workflow:" + held};
    };
    f.restart();
  }
  void let(std::string why) {
    held = std::move(why);
    f.engine->judge_again();
    f.settle();
  }
  Json verdict(std::string_view name) {
    Json found;
    EXPECT_TRUE(f.store.input([&](store::Turn& turn) {
      found = run_verdict(turn, Factory::key("workflows.argoproj.io", name), "uid-" + std::string(name));
    }));
    return found;
  }

  Factory f;
  bool ready = true, concerned = true;
  std::string held = "gate g, rule r: why; the way out";
  std::vector<std::string> asked;
};

TEST_F(HeldRunsTest, ARunWaitsWithReasonAndBeginsWhenItMay) {
  f.submit("w", kOneStep);
  EXPECT_EQ(f.phase("w"), "Pending");
  EXPECT_EQ(f.message("w"), held);
  const Json w = f.get("workflows.argoproj.io", "w");
  EXPECT_EQ(api::string_at(api::array_at(w, {"status", "conditions"})[0], {"type"}), "Gated");
  EXPECT_THAT(f.pods(), IsEmpty());
  EXPECT_TRUE(verdict("w").is_null());
  let("gate g, rule r: another; way");
  EXPECT_EQ(f.message("w"), held);
  f.restart();
  EXPECT_THAT(f.pods(), IsEmpty());
  let("");
  EXPECT_THAT(f.running(), ElementsAre("w"));
  EXPECT_EQ(f.phase("w"), "Running");
  EXPECT_EQ(f.message("w"), "");
  EXPECT_EQ(api::string_at(verdict("w"), {"identity"}), "Workflow:");
  EXPECT_EQ(f.store.rows({.stream = "verdicts"}).size(), 3u) << "two that held it, one that let it go";
  f.end("w");
  EXPECT_EQ(f.phase("w"), "Succeeded");
}

TEST_F(HeldRunsTest, WhatATenantWritesIntoTheStatusLetsNothingGo) {
  f.submit("w", kOneStep);
  for (const std::string_view phase : {"Running", "Pending", ""}) {
    f.change("workflows.argoproj.io", "w", [&](Json& w) {
      api::set(w, {"status"}, JsonObject{{"phase", phase}, {"startedAt", "2026-01-01T00:00:00Z"}});
    });
    f.settle();
    EXPECT_THAT(f.pods(), IsEmpty()) << phase;
    EXPECT_EQ(f.phase("w"), "Pending");
    EXPECT_EQ(f.message("w"), held);
  }
  let("");
  EXPECT_THAT(f.running(), ElementsAre("w"));
}

TEST_F(HeldRunsTest, ARunThatHasBegunIsNotJudgedAgain) {
  held = "";
  f.submit("w", kOneStep);
  concerned = false;
  f.submit("v", kOneStep);
  EXPECT_THAT(f.running(), ElementsAre("v", "w"));
  EXPECT_TRUE(verdict("v").is_null());
  concerned = true;
  held = "gate g, rule r: now; way";
  asked.clear();
  f.restart();
  EXPECT_THAT(f.running(), ElementsAre("v", "w"));
  EXPECT_EQ(f.phase("v"), "Running");
  EXPECT_EQ(f.phase("w"), "Running");
  EXPECT_THAT(asked, IsEmpty());
}

TEST_F(HeldRunsTest, AnotherOfTheSameNameIsJudgedForItself) {
  held = "";
  f.submit("w", kOneStep);
  f.end("w");
  EXPECT_FALSE(verdict("w").is_null());
  f.erase("workflows.argoproj.io", "w");
  f.settle();
  EXPECT_TRUE(verdict("w").is_null());
  held = "gate g, rule r: now; way";
  f.advance(std::chrono::seconds(5));
  f.submit("w", kOneStep);
  EXPECT_EQ(f.phase("w"), "Pending");
  EXPECT_EQ(f.message("w"), held);
}

TEST_F(HeldRunsTest, WhileNobodyKnowsTheGatesNothingBegins) {
  ready = false;
  f.submit("w", kOneStep);
  EXPECT_THAT(f.pods(), IsEmpty());
  EXPECT_EQ(f.phase("w"), "");
  ready = true;
  let("");
  EXPECT_THAT(f.running(), ElementsAre("w"));
}

TEST_F(HeldRunsTest, AHeldRunCanBeStopped) {
  f.submit("w", kOneStep);
  f.change("workflows.argoproj.io", "w", [](Json& w) { api::set(w, {"spec", "shutdown"}, "Terminate"); });
  f.settle();
  EXPECT_EQ(f.phase("w"), "Failed");
  EXPECT_EQ(f.message("w"), "stopped before it began");
  let("");
  EXPECT_THAT(f.pods(), IsEmpty());
}

}  // namespace
}  // namespace ingot::pipelines
