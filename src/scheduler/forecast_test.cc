#include "scheduler/forecast.h"

#include <gmock/gmock.h>

namespace ingot::scheduler {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using namespace std::chrono_literals;

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};

Node node(std::string name, int gpus) {
  Node n{.name = name, .cpu_milli = 32'000, .memory_bytes = int64_t(256) << 30, .pods = 110, .ready = true};
  for (int i = 0; i < gpus; ++i) n.devices.push_back({"GPU-" + name + "-" + std::to_string(i), "H100-80GB"});
  return n;
}
Unit pod(std::string id, int64_t gpus) {
  return {.id = id,
          .tenant = "vision",
          .created = kNow,
          .pods = {{id, {.cpu_milli = 1000, .memory_bytes = 1 << 30, .gpus = gpus}}}};
}

struct ForecastTest : testing::Test {
  ForecastTest() {
    model.set_tenant({.id = "vision", .name = "vision"});
    model.set_node(node("a", 4));
    model.set_node(node("b", 4));
  }
  void hold(std::string uid, std::string on, int first, int gpus, std::optional<Duration> run_time) {
    Allocation a{.uid = uid, .tenant = "vision", .node = on, .cpu_milli = 1000, .since = kNow - 60s};
    for (int i = first; i < first + gpus; ++i) a.devices.emplace_back("GPU-" + on + "-" + std::to_string(i));
    a.work.run_time = run_time;
    model.open(std::move(a));
  }
  Model model;
  Policy policy;
};

TEST_F(ForecastTest, WhatFitsStartsNowAndNothingIsPlacedByAsking) {
  const uint64_t version = model.version();
  const Forecast f = forecast(model, policy, pod("p", 4), kNow);
  EXPECT_EQ(f.starts, kNow);
  EXPECT_EQ(f.reason, "");
  EXPECT_EQ(f.model, "H100-80GB");
  EXPECT_EQ(model.version(), version);
  EXPECT_EQ(model.units(), 0u);
  EXPECT_TRUE(schedule(model, policy, kNow).bindings.empty());
}

TEST_F(ForecastTest, WhatWaitsStartsWhenEnoughOfKnownRunTimesHasEnded) {
  hold("long", "a", 0, 4, 10h);
  hold("short", "b", 0, 2, 1h);
  const Forecast f = forecast(model, policy, pod("p", 4), kNow);
  EXPECT_EQ(f.starts, kNow - 60s + 1h);
  EXPECT_EQ(f.after, "short");
  EXPECT_EQ(f.reason, "2 of 8 GPUs free in pool default, needs 4");
  EXPECT_EQ(forecast(model, policy, pod("p", 2), kNow).starts, kNow);
}

TEST_F(ForecastTest, NobodyKnowsWhenWithoutRunTimesAndNeverWhenItIsTooLarge) {
  hold("x", "a", 0, 1, std::nullopt);
  hold("y", "b", 0, 1, std::nullopt);
  EXPECT_EQ(forecast(model, policy, pod("p", 4), kNow).starts, std::nullopt);
  const Forecast never = forecast(model, policy, pod("p", 5), kNow);
  EXPECT_EQ(never.starts, std::nullopt);
  EXPECT_EQ(never.reason, "needs 5 GPUs on one node; the largest node has 4");
}

TEST_F(ForecastTest, ALimitIsTheReasonBeforeAnyRoom) {
  model.set_tenant({.id = "vision", .name = "vision", .gpu_limit = 2});
  EXPECT_EQ(forecast(model, policy, pod("p", 3), kNow).reason,
            "tenant vision may hold 2 GPUs at most, needs 3");
}

TEST_F(ForecastTest, WhoIsDueAGuaranteeIsToldThatOthersGiveWay) {
  hold("x", "a", 0, 4, std::nullopt);
  hold("y", "b", 0, 4, std::nullopt);
  Unit due = pod("p", 4);
  due.tenant = "speech";
  model.set_tenant({.id = "speech", .name = "speech"});
  EXPECT_FALSE(forecast(model, policy, due, kNow).others_yield);
  model.set_tenant({.id = "speech", .name = "speech", .gpu_guarantee = 4});
  EXPECT_TRUE(forecast(model, policy, due, kNow).others_yield);
}

TEST_F(ForecastTest, ATenantNobodyHasHeardOfGetsNoForecast) {
  Unit unit = pod("p", 1);
  unit.tenant = "new";
  const Forecast f = forecast(model, policy, unit, kNow);
  EXPECT_EQ(f.starts, std::nullopt);
  EXPECT_EQ(f.reason, "");
}

TEST_F(ForecastTest, AProspectNamesWhoHoldsWhatThePlaceInLineAndWhatIsKept) {
  hold("long", "a", 0, 4, 10h);
  hold("short", "b", 0, 2, 1h);
  model.set_unit(pod("first", 4));
  Unit second = pod("second", 4);
  second.created = kNow + 1s;
  model.set_unit(second);
  const WallTime later = kNow + 301s;  // past the patience
  schedule(model, policy, later);
  const auto first = prospect(model, policy, "first", later);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->position, 1u);
  EXPECT_EQ(first->line, 2u);
  ASSERT_TRUE(first->reserved);
  EXPECT_THAT(first->reserved->pods, ElementsAre(Pair("b", 1)));
  EXPECT_EQ(first->forecast.starts, kNow - 60s + 1h);
  EXPECT_EQ(first->forecast.after, "short");
  ASSERT_EQ(first->nodes.size(), 2u);
  EXPECT_EQ(first->nodes[0].node, "b");
  EXPECT_EQ(first->nodes[0].free, 2);
  EXPECT_FALSE(first->nodes[0].kept);
  EXPECT_THAT(first->nodes[0].holders, ElementsAre(Pair("short", 2000)));
  EXPECT_THAT(first->preemption, HasSubstr("would preempt nothing"));
  const auto next = prospect(model, policy, "second", later);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->position, 2u);
  EXPECT_TRUE(next->nodes[0].kept);
  EXPECT_FALSE(prospect(model, policy, "nobody", later));
}

TEST_F(ForecastTest, QueuesAreListedWithWhatTheyLendAndWhoIsFirst) {
  model.set_queue({.name = "research", .weight = 2, .guarantee = {.gpu_milli = 4000}});
  model.set_tenant({.id = "vision", .name = "vision", .queue = "research", .gpu_guarantee = 2});
  hold("held", "a", 0, 3, std::nullopt);
  model.set_unit(pod("waits", 4));
  const auto lines = queue_lines(model);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].name, "research");
  EXPECT_EQ(lines[0].used.gpu_milli, 3000);
  EXPECT_EQ(lines[0].lent_gpu_milli, 0);
  EXPECT_EQ(lines[0].pending, 1u);
  EXPECT_EQ(lines[1].tenant, "vision");
  EXPECT_EQ(lines[1].parent, "research");
  EXPECT_EQ(lines[1].lent_gpu_milli, 1000);
  EXPECT_EQ(lines[1].head, "waits");
}

}  // namespace
}  // namespace ingot::scheduler
