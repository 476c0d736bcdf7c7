#include "replay/bound.h"

#include <gmock/gmock.h>

namespace ingot::replay {
namespace {

using namespace std::chrono_literals;
constexpr WallTime kStart{1000s};
constexpr double kGpus = 64, kHour = 3600;  // 2 of 64 GPUs serve the line

double two_hours(size_t) { return 2 * kHour; }

TEST(Bound, IsTheWorkOfThoseBeforeAndItsOwnAndATurnEach) {
  Bound bound;
  bound.stands(1, "q", kStart, 8, kGpus, two_hours);  // 3 h on 8 GPUs at 2: 12 h
  bound.stands(2, "q", kStart, 2, kGpus, two_hours);  // and 3 h: 15 h
  bound.stands(3, "other", kStart, 2, kGpus, two_hours);
  EXPECT_TRUE(bound.contains(2));
  bound.ended(1, kStart + 12h);
  bound.ended(2, kStart + 15h);
  EXPECT_FALSE(bound.contains(2));
  EXPECT_EQ(bound.outcome().past, 0u);
  EXPECT_DOUBLE_EQ(bound.outcome().worst, 1);
  bound.ended(3, kStart + 3h + 2s);
  EXPECT_EQ(bound.outcome().past, 1u) << "nobody stands before it in its queue";
  EXPECT_EQ(bound.outcome().elders, 3u);
}

TEST(Bound, GrowsByWhatPreemptionsCostThoseBefore) {
  for (const bool before : {true, false}) {
    Bound bound;
    bound.stands(1, "q", kStart, 8, kGpus, two_hours);
    bound.stands(2, "q", kStart, 2, kGpus, two_hours);
    bound.preempted(before ? 1 : 2, 60s);
    bound.preempted(3, 1h);  // no elder
    bound.ended(2, kStart + 15h + 60s);
    bound.ended(1, kStart + (before ? 12h + 240s : 12h));
    EXPECT_EQ(bound.outcome().past, 0u);
    EXPECT_DOUBLE_EQ(bound.outcome().worst, 1);
  }
}

}  // namespace
}  // namespace ingot::replay
