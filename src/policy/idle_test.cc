#include "policy/idle.h"

#include <gtest/gtest.h>

namespace ingot::policy {
namespace {
using namespace std::chrono_literals;

constexpr WallTime kSince{1'800'000'000s};

TEST(Idle, IsReportedAtTheLimitAndReclaimedATenthLater) {
  const IdlePolicy policy{.after = 30min, .reclaim = true};
  IdleVerdict v = judge_idle(policy, kSince, true, kSince + 29min);
  EXPECT_FALSE(v.report || v.reclaim);
  EXPECT_EQ(v.next, kSince + 30min);
  v = judge_idle(policy, kSince, true, kSince + 30min);
  EXPECT_TRUE(v.report && !v.reclaim);
  EXPECT_EQ(v.reclaimed_at, kSince + 33min);
  EXPECT_EQ(v.next, kSince + 33min);
  EXPECT_TRUE(judge_idle(policy, kSince, true, kSince + 33min).reclaim);
}

TEST(Idle, IsOnlyReportedWhereThePoolOrTheWorkSaysSo) {
  for (const auto& [reclaim, evictable] : {std::pair(false, true), std::pair(true, false)}) {
    const IdleVerdict v = judge_idle({.after = 1min, .reclaim = reclaim}, kSince, evictable, kSince + 24h);
    EXPECT_TRUE(v.report && !v.reclaim);
    EXPECT_EQ(v.next, std::nullopt);
    EXPECT_EQ(v.reclaimed_at, std::nullopt);
  }
}

TEST(Idle, ReadsWhatAPoolSays) {
  EXPECT_EQ(idle_policy("", true), (IdlePolicy{.after = 30min, .reclaim = true}));
  EXPECT_EQ(idle_policy("90s", false)->after, 90s);
  EXPECT_EQ(idle_policy("soon", true), std::nullopt);
  EXPECT_EQ(idle_policy("0s", true), std::nullopt);
}

}  // namespace
}  // namespace ingot::policy
