// Orders of work, what is learnt of run times, and that nobody starves.
#include "scheduler/order.h"

#include <gmock/gmock.h>

namespace ingot::scheduler {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr WallTime kStart{1'800'000'000s};

Work work(std::string unit, std::optional<Duration> run_time, Duration attained) {
  Work w{.unit = std::move(unit)};
  w.run_time = run_time;
  w.attained = attained;
  return w;
}

TEST(Order, RanksByWhatIsLeft) {
  const Order time(OrderKind::ShortestTime), service(OrderKind::ShortestService);
  const Work big = work("big", 1000s, 900s), small = work("small", 300s, 0s);
  EXPECT_LT(time.rank(big, 8, 0s), time.rank(small, 1, 0s)) << "100 s are left of 1000";
  EXPECT_GT(service.rank(big, 8, 0s), service.rank(small, 1, 0s)) << "800 GPU-seconds against 300";
  EXPECT_LT(service.rank(big, 8, 80s), service.rank(small, 1, 0s)) << "what runs comes nearer to its end";
  EXPECT_GT(time.rank(work("unknown", std::nullopt, 0s), 1, 0s), time.rank(small, 1, 0s));
}

TEST(Order, LeastAttainedHasLevelsOfGpuTime) {
  const Order order(OrderKind::LeastAttained);
  EXPECT_EQ(order.rank(work("a", std::nullopt, 0s), 8, 400s), 1);
  EXPECT_EQ(order.rank(work("a", std::nullopt, 400s), 8, 10s), 2) << "3280 GPU-seconds";
  EXPECT_EQ(order.rank(work("a", std::nullopt, 900s), 8, 0s), 3);
  EXPECT_EQ(order.until(8, 410s), 900s);
  EXPECT_EQ(order.until(8, 900s), Duration::max());
}

TEST(RunTimes, WithoutEvidenceLessAttainedAndFewerGpusComeFirst) {
  const RunTimes times;
  EXPECT_LT(times.rank("a", 1, 0s), times.rank("b", 1, 100s));
  EXPECT_LT(times.rank("a", 1, 100s), times.rank("b", 1, 10'000s));
  EXPECT_LT(times.rank("a", 1, 100s), times.rank("b", 8, 100s));
}

TEST(RunTimes, ChangesOnlyAtTheTimesItNames) {
  const RunTimes times;
  EXPECT_EQ(RunTimes::until(0s), 1s);
  for (Duration at = 0s; at < 365 * 24h; at = RunTimes::until(at)) {
    ASSERT_GT(RunTimes::until(at), at);
    EXPECT_EQ(times.rank("a", 1, at), times.rank("a", 1, RunTimes::until(at) - 1ns));
  }
}

// Work that mostly runs for a day, or dies at once: what has lived longer is nearer to its end.
TEST(RunTimes, LearnsThatOldWorkEndsSoon) {
  RunTimes times;
  for (int i = 0; i < 50; ++i) {
    const std::string id = std::to_string(i);
    times.seen(id, 8, kStart + i * 2h, 0s);
    times.ended(id, i % 2 == 0 ? 10s : Duration(24h));
  }
  EXPECT_LT(times.rank("new", 8, 0s), times.rank("other", 8, 1h));
  EXPECT_LT(times.rank("old", 8, 20h), times.rank("other", 8, 1h));
  EXPECT_LT(times.rank("old", 8, 20h), 8 * 12.0 * 3600);
}

TEST(RunTimes, BatchesRunAlike) {
  RunTimes times;
  for (int i = 0; i < 6; ++i) times.seen("long-" + std::to_string(i), 4, kStart + i * 1min, 0s);
  for (int i = 0; i < 6; ++i) times.seen("short-" + std::to_string(i), 4, kStart + 100h + i * 1min, 0s);
  for (int i = 0; i < 4; ++i) {
    times.ended("long-" + std::to_string(i), 50h);
    times.ended("short-" + std::to_string(i), 60s);
  }
  EXPECT_LT(times.rank("short-5", 4, 0s), times.rank("long-5", 4, 0s) / 4);
  const double before = times.rank("long-5", 4, 0s);
  times.seen("long-4", 4, kStart, 60h);
  EXPECT_GT(times.rank("long-5", 4, 0s), before) << "what has not ended yet tells too";
  times.forget("long-4");
  EXPECT_GT(times.rank("long-5", 4, 0s), 0);
}

struct EldersTest : testing::Test {
  Elders elders;
  WallTime now = kStart;
  std::vector<Elders::Member> members;
  std::vector<std::string> served() {
    std::vector<std::string> out;
    for (const auto& m : members)
      if (elders.contains(m.unit)) out.push_back(m.unit);
    return out;
  }
  Duration after(Duration d) {
    now += std::chrono::duration_cast<WallTime::duration>(d);
    return elders.advance(now, "q", 64, members);
  }
};

constexpr Duration kOld = Elders::kPatience;

TEST_F(EldersTest, ServesTheLineFirstComeFirstServedWithItsPart) {
  members = {{"young", 1, 1h}, {"second", 1, kOld}, {"first", 1, kOld + 1h}, {"third", 1, kOld}};
  EXPECT_EQ(after(0s), 1800s) << "2 of 64 GPUs are the line's: a third costs an hour of 1 GPU";
  EXPECT_THAT(served(), ElementsAre("second", "first"));
  members.erase(members.begin() + 2);  // the first has ended
  after(1s);
  EXPECT_THAT(served(), ElementsAre("second", "third"));
}

TEST_F(EldersTest, WhatIsLargerThanThePartGetsTurns) {
  members = {{"big", 32, kOld}};
  const Duration saved = after(0s);
  EXPECT_EQ(saved, 15h) << "30 GPUs more than its part, for an hour, at 2 GPUs";
  EXPECT_THAT(served(), IsEmpty());
  after(saved);
  EXPECT_THAT(served(), ElementsAre("big"));
  members[0].running = true;
  EXPECT_EQ(after(0s), Elders::kTurn);
  after(Elders::kTurn);
  EXPECT_THAT(served(), IsEmpty());
}

TEST_F(EldersTest, WhoIsServedComesBeforeAllAndGivesWayToNobody) {
  Order order(OrderKind::Learnt);
  order.elders().advance(kStart, "q", 64, {{"old", 1, kOld}});
  Policy policy;
  order.apply(policy);
  const double old = policy.rank(work("old", std::nullopt, 10h), 1, 0s, 0s);
  EXPECT_EQ(old, 0);
  EXPECT_GT(policy.rank(work("new", std::nullopt, 0s), 1, 0s, 0s) * policy.rank_margin, old);
}

}  // namespace
}  // namespace ingot::scheduler
