#include "scheduler/past_runs.h"

#include <gmock/gmock.h>

#include "scheduler/forecast.h"

namespace ingot::scheduler {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};

TEST(PastRuns, MoreOfTheSameIsExpectedToEndWithinNearlyAllOfItsRunsAndATenth) {
  PastRuns past;
  for (size_t i = 0; i < PastRuns::kRuns + 10; ++i) {
    const auto before = past.expected("c1", "o");
    EXPECT_EQ(before.has_value(), i >= PastRuns::kEnough) << i;
    past.add("c1", "o", kNow + i * 1h, i == 12 ? 600s : 100s, true);
    if (i == 8) EXPECT_EQ(past.expected("c1", "o"), 110s);
    if (i == 12) EXPECT_EQ(past.expected("c1", "o"), 660s) << "the longest, of fewer than twenty";
    if (i == 19) EXPECT_EQ(past.expected("c1", "o"), 110s) << "one of twenty is passed over";
  }
  EXPECT_EQ(past.runs("c1", "o")->size(), PastRuns::kRuns);
  EXPECT_EQ(past.expected("c2", "o"), std::nullopt) << "another tenant's work is not the same";
  past.add("c1", "", kNow, 1s, true);
  EXPECT_EQ(past.runs("c1", ""), nullptr);
}

TEST(PastRuns, WhatBeganTogetherIsOneRunAndOfWhatWasStoppedOnlyALongerOneTells) {
  PastRuns past;
  for (int rank = 0; rank < 512; ++rank) past.add("c1", "gang", kNow, 60s + rank * 1ms, true);
  EXPECT_THAT(*past.runs("c1", "gang"), ElementsAre(PastRun{kNow, 61s}));
  past.add("c1", "gang", kNow + 1h, 10h, false);
  EXPECT_EQ(past.runs("c1", "gang")->size(), 1u) << "nothing was expected";
  for (int i = 1; i < 5; ++i) past.add("c1", "gang", kNow + i * 1h, 60s, true);
  EXPECT_EQ(past.expected("c1", "gang"), 68s);
  past.add("c1", "gang", kNow + 9h, 60s, false);
  EXPECT_EQ(past.expected("c1", "gang"), 68s);
  past.add("c1", "gang", kNow + 9h, 1h, false);
  EXPECT_EQ(past.expected("c1", "gang"), 3960s);
}

TEST(PastRuns, AreBoundedPerTenantAndTheOldestGo) {
  PastRuns past;
  for (size_t i = 0; i < PastRuns::kPerTenant; ++i)
    past.add("c1", "o" + std::to_string(i), kNow + i * 1s, 1s, true);
  past.add("c2", "o", kNow - 1h, 1s, true);
  past.add("c1", "o0", kNow + 1h, 1s, true);
  EXPECT_EQ(past.take_changed().size(), PastRuns::kPerTenant + 1);
  past.add("c1", "new", kNow + 1h, 1s, true);
  EXPECT_EQ(past.runs("c1", "o1"), nullptr);
  EXPECT_NE(past.runs("c1", "o0"), nullptr);
  EXPECT_NE(past.runs("c2", "o"), nullptr);
  EXPECT_THAT(past.take_changed(), ElementsAre(PastRuns::Key("c1", "new"), PastRuns::Key("c1", "o1")));
  past.forget("c1");
  EXPECT_EQ(past.take_changed().size(), PastRuns::kPerTenant);
  EXPECT_EQ(past.runs("c1", "o0"), nullptr);
}

TEST(PastRuns, AreBoundedInAll) {
  PastRuns past;
  for (size_t i = 0; i < PastRuns::kMost + 3; ++i)
    past.add("c" + std::to_string(i % 100), "o" + std::to_string(i), kNow + i * 1s, 1s, true);
  size_t left = 0;
  for (size_t i = 0; i < PastRuns::kMost + 3; ++i)
    left += past.runs("c" + std::to_string(i % 100), "o" + std::to_string(i)) != nullptr;
  EXPECT_EQ(left, PastRuns::kMost);
  EXPECT_EQ(past.runs("c2", "o2"), nullptr);
  EXPECT_NE(past.runs("c3", "o3"), nullptr);
}

TEST(PastRuns, AreTheSameWhenTheyAreRestored) {
  PastRuns past, again;
  for (int i = 0; i < 30; ++i) past.add("c1", "o", kNow + i * 1h, 1s * i, true);
  again.restore("c1", "o", *past.runs("c1", "o"));
  EXPECT_EQ(again.expected("c1", "o"), past.expected("c1", "o"));
  EXPECT_TRUE(again.take_changed().empty()) << "it is stored already";
}

TEST(PastRuns, AnEstimateThatWasTooShortDoublesAndIsGivenUpInTheEnd) {
  EXPECT_EQ(expected_end(kNow, 0s, 10min, kNow), kNow + 10min);
  EXPECT_EQ(expected_end(kNow, 4min, 10min, kNow), kNow + 6min);
  EXPECT_EQ(expected_end(kNow, 0s, 10min, kNow + 10min), kNow + 20min);
  EXPECT_EQ(expected_end(kNow, 0s, 10min, kNow + 21min), kNow + 40min);
  EXPECT_EQ(expected_end(kNow, 0s, 10min, kNow + 79min), kNow + 80min);
  EXPECT_EQ(expected_end(kNow, 0s, 10min, kNow + 80min), std::nullopt);
}

// --- in a pass ---

struct LearntTest : testing::Test {
  Model model;
  Policy policy;
  WallTime now = kNow;

  LearntTest() {
    model.set_tenant({.id = "vision", .name = "vision"});
    Node n{.name = "a", .cpu_milli = 32'000, .memory_bytes = int64_t(256) << 30, .pods = 110, .ready = true};
    for (int i = 0; i < 4; ++i) n.devices.push_back({"GPU-" + std::to_string(i), "H100-80GB"});
    model.set_node(std::move(n));
    for (int i = 0; i < 5; ++i) {
      model.past_runs().add("vision", "tenminutes", kNow - i * 1h, 10min - 55s, true);
      model.past_runs().add("vision", "oneminute", kNow - i * 1h, 54s, true);
    }
  }
  void hold(std::string uid, std::string origin, std::vector<Held> devices) {
    Allocation a{.uid = uid, .tenant = "vision", .node = "a", .devices = std::move(devices), .since = now};
    a.work.unit = uid;
    a.work.origin = std::move(origin);
    model.open(std::move(a));
  }
  Unit unit(std::string id, int64_t gpus, std::string origin = "", std::optional<Duration> deadline = {}) {
    Unit u{.id = id, .tenant = "vision", .created = now, .pods = {{id, {.cpu_milli = 100, .gpus = gpus}}}};
    u.work.origin = std::move(origin);
    u.work.run_time = deadline;
    return u;
  }
  bool placed(Unit u) {
    const std::string id = u.id;
    model.set_unit(std::move(u));
    schedule(model, policy, now);
    const bool yes = model.allocation(id) != nullptr;
    model.close(id);
    model.erase_unit(id);
    schedule(model, policy, now);
    return yes;
  }
  const Reservation& kept() { return model.reservations().at("large"); }
};

TEST_F(LearntTest, BackfillGoesByWhatWasLearntUntilThePromisedStartAndNotByItAfterwards) {
  hold("holder", "tenminutes", {"GPU-0"});
  model.set_unit(unit("large", 4));
  now = kNow + 5min;
  schedule(model, policy, now);
  const WallTime promised = kNow + 10min;
  ASSERT_EQ(kept().starts, promised);
  EXPECT_TRUE(placed(unit("short", 3, "oneminute")));
  EXPECT_FALSE(placed(unit("unknown", 1)));
  EXPECT_FALSE(placed(unit("long", 1, "tenminutes")));
  EXPECT_TRUE(placed(unit("bounded", 1, "tenminutes", 1min))) << "the sooner of both holds";

  // The holder overruns: the start moves, and nobody else is let in for it.
  now = promised;
  schedule(model, policy, now);
  EXPECT_EQ(kept().starts, kNow + 20min);
  EXPECT_EQ(kept().promised, promised);
  EXPECT_FALSE(placed(unit("short", 1, "oneminute")));
  EXPECT_FALSE(placed(unit("bounded", 1, "", 30s)));
  EXPECT_EQ(prospect(model, policy, "large", now)->forecast.starts, kNow + 20min);

  // Nobody knows any more when it ends: the room is held for as long as where nobody ever knew.
  now = kNow + 81min;
  schedule(model, policy, now);
  EXPECT_TRUE(model.reservations().empty()) << "the promise passed longer ago than `hold`";

  model.close("holder");
  schedule(model, policy, now);
  EXPECT_NE(model.allocation("large"), nullptr);
}

TEST_F(LearntTest, RoomIsHeldForAWhileFromThePromisedStartOnHoweverLongAgoItWasReserved) {
  Allocation a{.uid = "holder", .tenant = "vision", .node = "a", .devices = {"GPU-0"}, .since = kNow};
  a.work.unit = "holder";
  a.work.run_time = 2h;  // and it takes a moment to be gone
  model.open(std::move(a));
  model.set_unit(unit("large", 4));
  now = kNow + 5min;
  schedule(model, policy, now);
  now = kNow + 2h + 1s;
  schedule(model, policy, now);
  ASSERT_EQ(model.reservations().count("large"), 1u);
  EXPECT_FALSE(placed(unit("unknown", 1)));
  now = kNow + 2h + 30min;
  schedule(model, policy, now);
  EXPECT_EQ(model.reservations().count("large"), 0u);
}

}  // namespace
}  // namespace ingot::scheduler
