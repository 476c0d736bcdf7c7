// Budgets, and what they do to placement.
#include "controllers/budget_book.h"

#include <random>

#include "api/reserved.h"
#include "controllers/budget_testing.h"

namespace ingot::controllers {
namespace {

using testing::AllOf;
using testing::Not;

TEST_P(BudgetTest, WorkWaitsThatDoesNotFitInWhatIsLeft) {
  budget("july", "250", of_tenant("vision"), limit("100%", "HoldNew"));
  settle();
  pod("a", 1);
  pod("b", 1);
  settle();
  EXPECT_EQ(node_of("a") + node_of("b"), "n1n1");
  pod("c", 1);
  pod("other", 1, {}, "c2");
  settle();
  EXPECT_EQ(node_of("c"), "") << "two that run may cost 200 together, so 100 more do not fit";
  EXPECT_EQ(node_of("other", "c2"), "n1") << "whose money it is not";
  EXPECT_EQ(
      reason("c"),
      "budget july: spent 0.00 of 250.00 USD until 2026-01-03T00:00:00Z, 200.00 more committed to what runs, "
      "and "
      "this costs up to 100.00 (1 GPU for 100s, as the budget assumes of what sets no deadline): wait until "
      "2026-01-03T00:00:00Z, ask an operator for more (spec.amount of Budget july), or for an exception "
      "(GateException with spec.budget july)");
  // It ended sooner than was expected: money is free again.
  advance(20s);
  finish("a");
  settle();
  EXPECT_EQ(node_of("c"), "n1");
  book("a");
  pod("d", 1);
  advance(11s);
  settle();
  EXPECT_EQ(node_of("d"), "");
  EXPECT_EQ(status("july", "phase"), "Ok");
  EXPECT_EQ(status("july", "periodEnd"), "2026-01-03T00:00:00Z");
  // More money.
  budget("july", "400", of_tenant("vision"), limit("100%", "HoldNew"));
  settle();
  EXPECT_EQ(node_of("d"), "n1");
}

TEST_P(BudgetTest, ManyAtOnceDoNotPassTogetherWhatEachWouldAlone) {
  budget("july", "350", of_tenant("vision"), limit("100%", "HoldNew"));
  settle();
  f.input([&](store::Turn& turn) {
    for (int i = 0; i < 8; ++i) {
      const std::string name = "p" + std::to_string(i);
      ASSERT_TRUE(turn.put(pod_key(name), pod_object(name, 1)));
    }
  });
  settle();
  advance(2s);
  int placed = 0;
  for (int i = 0; i < 8; ++i) placed += !node_of("p" + std::to_string(i)).empty();
  EXPECT_EQ(placed, 3);
  for (int i = 0; i < 8; ++i)
    if (const std::string name = "p" + std::to_string(i); node_of(name).empty())
      EXPECT_THAT(reason(name), StartsWith("budget july: "));
}

TEST_P(BudgetTest, AGangIsJudgedAsAWhole) {
  budget("july", "350", of_tenant("vision"), limit("100%", "HoldNew"));
  settle();
  for (const char* name : {"g0", "g1", "g2", "g3"}) pod(name, 1, gang(4));
  settle();
  advance(11s);
  EXPECT_EQ(node_of("g0"), "");
  EXPECT_THAT(reason("g0"), HasSubstr("this costs up to 400.00 (4 GPUs for 100s"));
  budget("july", "400", of_tenant("vision"), limit("100%", "HoldNew"));
  settle();
  EXPECT_EQ(node_of("g0") + node_of("g3"), "n1n1");
}

TEST_P(BudgetTest, ADeadlineAndWhatRanBeforeSayWhatItCosts) {
  budget("july", "250", of_tenant("vision"), limit("100%", "HoldNew"), "24h");
  settle();
  Json with_deadline = pod_object("short", 1);
  api::set(with_deadline, {"spec", "activeDeadlineSeconds"}, 50);
  put(pod_key("short"), with_deadline);
  pod("unknown", 1);
  settle();
  EXPECT_EQ(node_of("short"), "n1");
  EXPECT_THAT(reason("unknown"), HasSubstr("as the budget assumes"));
  erase(pod_key("unknown"));
  // Learnt: five of one Job ran for 10 s each.
  const auto step = [&](const std::string& name) {
    Json p = pod_object(name, 1);
    api::set(p, {"metadata", "ownerReferences"},
             JsonArray{JsonObject{{"kind", "Job"}, {"name", "train"}, {"controller", true}}});
    return p;
  };
  budget("july", "1000000", of_tenant("vision"), limit("100%", "HoldNew"), "24h");
  for (int i = 0; i < 5; ++i) {
    const std::string name = "train-" + std::to_string(i);
    put(pod_key(name), step(name));
    settle();
    ASSERT_EQ(node_of(name), "n1");
    advance(10s);
    finish(name);
    settle();
    book(name);
    settle();
  }
  advance(11s);
  budget("july", "250", of_tenant("vision"), limit("100%", "HoldNew"), "24h");
  put(pod_key("train-5"), step("train-5"));
  settle();
  EXPECT_EQ(node_of("train-5"), "n1") << reason("train-5");
}

TEST_P(BudgetTest, PhasesComeAsMoneyGoes) {
  budget("july", "100", of_tenant("vision"), limit("100%", "HoldNew"), "1s", limit("80%", "Notify"));
  settle();
  pod("a", 1);
  settle();
  ASSERT_EQ(node_of("a"), "n1");
  advance(79s);
  EXPECT_EQ(status("july", "phase"), "Ok");
  settle();
  advance(2s);
  EXPECT_EQ(status("july", "phase"), "Soft") << "in the moment, not with the next round of writes";
  EXPECT_THAT(status("july", "message"),
              HasSubstr("the soft limit of 80.00 USD is reached, nothing is held for it"));
  settle();
  advance(20s);
  EXPECT_EQ(status("july", "phase"), "Hard");
  EXPECT_FALSE(deleting("a")) << "what runs goes on";
  pod("b", 0);
  settle();
  EXPECT_EQ(node_of("b"), "") << "also what costs nothing";
  EXPECT_THAT(reason("b"), AllOf(HasSubstr("budget july: spent 10"), HasSubstr("of 100.00 USD")));
  std::vector<std::string> told;
  for (const Json& e : events("root"))
    if (api::string_at(e, {"involvedObject", "kind"}) == "Budget")
      told.emplace_back(api::string_at(e, {"reason"}));
  EXPECT_THAT(told, testing::UnorderedElementsAre("BudgetSoft", "BudgetHard"));
  told.clear();
  for (const Json& e : events("c1"))
    if (api::string_at(e, {"involvedObject", "kind"}) == "Budget")
      told.emplace_back(api::string_at(e, {"message"}));
  EXPECT_EQ(told.size(), 2u) << "the tenant is told, too";
  // Tomorrow is another day.
  advance(std::chrono::hours(21));
  settle();
  EXPECT_EQ(status("july", "periodStart"), "2026-01-03T00:00:00Z");
}

TEST_P(BudgetTest, ThePeriodsTurnLetsWorkGoOn) {
  budget("july", "100", of_tenant("vision"), limit("100%", "HoldNew"), "1s");
  settle();
  pod("a", 1);
  settle();
  advance(100s);
  finish("a");
  book("a");
  pod("b", 1);
  settle();
  EXPECT_EQ(node_of("b"), "");
  EXPECT_EQ(status("july", "phase"), "Hard");
  advance(std::chrono::hours(21) - 90s);
  settle();
  EXPECT_EQ(node_of("b"), "n1");
  EXPECT_EQ(status("july", "phase"), "Ok");
}

TEST_P(BudgetTest, AnExceptionLetsItsTargetGoUntilItExpires) {
  budget("july", "50", of_tenant("vision"), limit("100%", "HoldNew"));
  settle();
  pod("demo-1", 1);
  pod("other", 1);
  settle();
  EXPECT_EQ(node_of("demo-1") + node_of("other"), "");
  exception("x", "july", {{"pod", "demo-*"}}, 60s);
  settle();
  EXPECT_EQ(node_of("demo-1"), "n1");
  EXPECT_EQ(node_of("other"), "");
  exception("y", "july", {{"workflow", "night"}}, 60s);
  put({ClusterId("c1"), "workflows.argoproj.io", "default", "night"},
      JsonObject{{"metadata", JsonObject{{"name", "night"}, {"namespace", "default"}, {"uid", "w-1"}}}});
  // Who made it says an annotation that the factory alone writes.
  const auto of = [](bool made) {
    JsonObject metadata{
        {"labels", JsonObject{{"workflows.argoproj.io/workflow", "night"}}},
        {"ownerReferences",
         JsonArray{
             JsonObject{{"kind", "Workflow"}, {"name", "night"}, {"uid", "w-1"}, {"controller", true}}}}};
    if (made) metadata["annotations"] = JsonObject{{api::kRunNodeAnnotation, "w-1/step"}};
    return metadata;
  };
  pod("step", 1, of(true));
  pod("false", 1, of(false));
  settle();
  EXPECT_EQ(node_of("step"), "n1");
  EXPECT_EQ(node_of("false"), "") << "who only says so is of no Workflow";
  advance(61s);
  pod("demo-2", 1);
  settle();
  EXPECT_EQ(node_of("demo-2"), "");
}

TEST_P(BudgetTest, StopSendsAwayWhatRunsWithinItsGrace) {
  budget("july", "100", of_tenant("vision"), limit("100%", "Stop"), "1s");
  settle();
  exception("x", "july", {{"pod", "kept"}}, 150s);
  for (const char* name : {"a", "kept"}) pod(name, 1);
  pod("other", 1, {}, "c2");
  settle();
  ASSERT_EQ(node_of("a"), "n1");
  ASSERT_EQ(node_of("kept"), "n1");
  advance(49s);
  EXPECT_FALSE(deleting("a"));
  settle();
  advance(2s);
  settle();
  EXPECT_TRUE(deleting("a"));
  EXPECT_FALSE(deleting("kept"));
  EXPECT_FALSE(deleting("other", "c2"));
  const Json gone = get(pod_key("a"));
  EXPECT_EQ(api::int_at(gone, {"metadata", "deletionGracePeriodSeconds"}), 30);
  bool disrupted = false;
  for (const Json& c : api::array_at(gone, {"status", "conditions"}))
    if (api::string_at(c, {"type"}) == "DisruptionTarget") {
      disrupted = true;
      EXPECT_EQ(api::string_at(c, {"reason"}), "BudgetSpent");
      EXPECT_THAT(std::string(api::string_at(c, {"message"})),
                  StartsWith("stopped: budget july is spent: 100"));
    }
  EXPECT_TRUE(disrupted);
  // Overshoot: what runs within its grace, no more.
  finish("a");
  book("a");
  advance(100s);
  settle();
  EXPECT_TRUE(deleting("kept")) << "once its exception has expired";
}

TEST_P(BudgetTest, LoweredWorkComesAfterAllOtherAndGivesWay) {
  queue("shared", JsonObject{{"tenants", JsonArray{"vision", "speech"}}});
  budget("july", "10", of_tenant("vision"), limit("1000%", "Notify"), "1s", limit("10", "LowerPriority"));
  settle();
  JsonObject eager = in_queue("shared");
  eager["annotations"] = JsonObject{{"factory.ingot.dev/preemptible", "false"}};
  pod("a", 8, eager);
  settle();
  ASSERT_EQ(node_of("a"), "n1");
  advance(3s);
  settle();
  EXPECT_EQ(status("july", "phase"), "Soft");
  pod("b", 8, in_queue("shared"));
  settle();
  EXPECT_FALSE(deleting("a")) << "work of its own kind is lowered, too";
  pod("c", 8, in_queue("shared"), "c2");
  settle();
  EXPECT_TRUE(deleting("a"));
  const Json allocation = get(held("a"));
  EXPECT_EQ(api::find(allocation, {"spec", "work", "priority"}), nullptr) << "its own stays what it is";
  finish("a");
  erase(pod_key("a"));
  book("a");
  settle();
  EXPECT_EQ(node_of("c", "c2"), "n1");
  EXPECT_EQ(node_of("b"), "");
}

TEST_P(BudgetTest, AQueuesBudgetCountsWhatHangsBelow) {
  queue("lab", JsonObject{{"tenants", JsonArray{"vision", "speech"}}});
  queue("night", JsonObject{{"parent", "lab"}});
  budget("lab", "150", JsonObject{{"queues", JsonArray{"lab"}}}, limit("100%", "HoldNew"));
  settle();
  pod("a", 1, in_queue("night"));
  pod("own", 1);
  settle();
  EXPECT_EQ(node_of("a") + node_of("own"), "n1n1");
  pod("b", 1, in_queue("lab"), "c2");
  settle();
  EXPECT_EQ(node_of("b", "c2"), "");
  EXPECT_THAT(reason("b", "c2"), AllOf(StartsWith("budget lab: what is left until "), Not(HasSubstr("150"))))
      << "what others spend is not theirs to know";
  finish("a");
  book("a");
  settle();
  EXPECT_EQ(node_of("b", "c2"), "n1");
}

TEST_P(BudgetTest, MoneyOfAnotherCurrencyHoldsAndSaysSo) {
  budget("july", "1000", of_tenant("vision"), limit("100%", "HoldNew"));
  prices("3600", "EUR");
  settle();
  pod("a", 1);
  settle();
  EXPECT_EQ(node_of("a"), "");
  EXPECT_EQ(reason("a"),
            "budget july is of USD, and prices are of EUR, so nobody knows what is left of it: an operator "
            "makes both "
            "the same");
  EXPECT_EQ(status("july", "phase"), "Unknown");
  prices("3600");
  settle();
  EXPECT_EQ(node_of("a"), "n1");
  EXPECT_EQ(status("july", "phase"), "Ok");
}

TEST_P(BudgetTest, WhatWorkCostIsSaidAlsoWhenNothingRunsAnyMore) {
  budget("july", "1000", of_tenant("vision"), limit("100%", "HoldNew"));
  pod("a", 1);
  settle();
  advance(BudgetBook::kEvery);  // it is written
  advance(4s);
  finish("a");
  book("a");
  settle();
  advance(BudgetBook::kEvery);
  EXPECT_EQ(status("july", "spent"), "14.00");
  EXPECT_EQ(status("july", "committed"), "0.00");
}

TEST_P(BudgetTest, ABudgetThatComesLateCountsWhatWasBooked) {
  pod("a", 1);
  pod("b", 1);
  settle();
  advance(100s);
  finish("a");
  book("a");
  settle();
  budget("july", "1000", of_tenant("vision"), limit("100%", "HoldNew"));
  settle();
  EXPECT_EQ(status("july", "spent"), "200.00");
  erase(root("budgets.factory.ingot.dev", "july"));
  budget("july", "150", of_tenant("vision"), limit("100%", "HoldNew"));
  pod("c", 1);
  settle();
  EXPECT_EQ(status("july", "phase"), "Hard");
  EXPECT_EQ(node_of("c"), "");
  erase(root("budgets.factory.ingot.dev", "july"));
  settle();
  EXPECT_EQ(node_of("c"), "n1") << "with the budget its holds go";
}
// Random work, with restarts between: the status is what the ledger comes to, and what was begun never costs more than
// there is, for none of it runs longer than is expected.
TEST_P(BudgetTest, NeverIsMoreSpentThanThereIs) {
  constexpr int64_t kUnit = 1'000'000;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    std::mt19937_64 dice(seed);
    const auto roll = [&](uint64_t n) { return dice() % n; };
    budget("july", "900", of_tenant("vision"), limit("100%", "HoldNew"), "60s");
    settle();
    std::map<std::string, int> running;  // rounds left
    std::vector<std::string> waiting, released;
    const auto look = [&] {
      for (const std::string& pod : std::exchange(waiting, {}))
        node_of(pod).empty() ? waiting.push_back(pod) : void(running[pod] = int(1 + roll(6)));
    };
    const auto end_some = [&] {
      advance(10s);
      for (auto at = running.begin(); at != running.end();) {
        if (--at->second > 0) {
          ++at;
          continue;
        }
        finish(at->first);
        if (roll(2) == 0) settle();
        released.push_back(at->first);
        at = running.erase(at);
      }
      while (!released.empty() && roll(3) > 0) {
        book(released.back());
        released.pop_back();
      }
    };
    for (int round = 0; round < 60; ++round) {
      for (uint64_t n = roll(3); n > 0; --n) {
        waiting.push_back("s" + std::to_string(seed) + "-" + std::to_string(round) + "-" + std::to_string(n));
        pod(waiting.back(), int(1 + roll(3)));
      }
      settle();
      look();
      end_some();
    }
    while (!running.empty() || !released.empty()) {
      settle();
      look();
      end_some();
    }
    advance(11s);
    settle();
    std::optional<Result<std::vector<store::StoredRow>>> rows;
    f.shard->rows({.stream = std::string(policy::kLedger), .limit = 100'000},
                  [&](auto r) { rows = std::move(r); });
    f.t.loop.run_until_idle();
    ASSERT_TRUE(rows && *rows);
    const policy::Span today = policy::span_of(policy::BudgetPeriod::Day, f.t.clock.wall());
    int64_t sum = 0;
    for (const store::StoredRow& stored : **rows) {
      const auto entry = policy::entry_from(*api::parse_json(stored.row.data));
      ASSERT_TRUE(entry);
      sum += std::max<int64_t>(entry->cost(today.begin, today.end), 0);
    }
    EXPECT_EQ(status("july", "spent"), policy::shown_micro(sum)) << "seed " << seed;
    EXPECT_LE(sum, 900 * kUnit) << "seed " << seed;
    EXPECT_GT(sum, 800 * kUnit) << "seed " << seed;
    for (const std::string& pod : waiting) erase(pod_key(pod));
    advance(std::chrono::hours(24));
  }
}

TEST_P(BudgetTest, AGateAsksTheBudgetsThatItNames) {
  const auto gate = [&](JsonObject rule) {
    put(root("gates.factory.ingot.dev", "money"),
        JsonObject{
            {"metadata", JsonObject{{"name", "money"}}},
            {"spec", JsonObject{{"match", JsonObject{{"tenants", JsonArray{"speech"}}}},
                                {"enforcement", "Enforce"},
                                {"rules", JsonArray{JsonObject{{"name", "july"}, {"budget", rule}}}}}}});
  };
  budget("july", "150", of_tenant("vision"), limit("100%", "HoldNew"));
  gate({{"budgets", JsonArray{"july"}}});
  pod("a", 1);
  settle();
  ASSERT_EQ(node_of("a"), "n1");
  Json with_deadline = pod_object("b", 1, {}, "c2");
  api::set(with_deadline, {"spec", "activeDeadlineSeconds"}, 60);
  put(pod_key("b", "c2"), with_deadline);
  settle();
  EXPECT_EQ(node_of("b", "c2"), "");
  EXPECT_EQ(reason("b", "c2"),
            "gate money, rule july: it may cost 60.00 USD, more than is left of budget july; wait until "
            "2026-01-03T00:00:00Z, ask an operator for more, or ask an operator for an exception");
  advance(10s);
  finish("a");
  book("a");
  advance(11s);
  settle();
  EXPECT_EQ(node_of("b", "c2"), "n1");
  gate({{"maxCost", "50"}});
  with_deadline = pod_object("d", 1, {}, "c2");
  api::set(with_deadline, {"spec", "activeDeadlineSeconds"}, 51);
  put(pod_key("d", "c2"), with_deadline);
  settle();
  EXPECT_THAT(reason("d", "c2"), StartsWith("gate money, rule july: "));
}

INSTANTIATE_TEST_SUITE_P(Runs, BudgetTest, testing::Bool(),
                         [](const auto& run) { return run.param ? "Reopened" : "Once"; });

}  // namespace
}  // namespace ingot::controllers
