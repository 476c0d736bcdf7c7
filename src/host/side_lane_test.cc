#include "host/side_lane.h"

#include <gtest/gtest.h>

#include "env/testing.h"

namespace ingot::host {
namespace {
using namespace std::chrono_literals;

struct SideLaneTest : testing::Test {
  env::TestEnv t;
  std::string order;
  SideLane lane{t.clock, t.loop, 1ms};

  // Other work of the loop: so many rounds of a millisecond.
  void busy(int rounds) {
    t.loop.post([this, rounds] {
      t.clock.advance(1ms);
      if (rounds > 1) busy(rounds - 1);
    });
  }
  env::Task says(char c, Duration takes = 0ms) {
    return [this, c, takes] {
      order += c;
      t.clock.advance(takes);
    };
  }
};

TEST_F(SideLaneTest, ASliceEndsAndOthersComeBetween) {
  for (const char c : {'a', 'b', 'c', 'd'}) lane.post(says(c, 600us));
  for (int i = 0; i < 3; ++i) t.loop.post(says('|'));
  t.loop.run_until_idle();
  EXPECT_EQ(order, "ab|||cd");
}

TEST_F(SideLaneTest, WhileClientsKeepTheLoopBusyItRestsBetweenSlices) {
  lane.give_way();
  busy(5);
  lane.post(says('a', 1ms));
  lane.post(says('b'));
  t.loop.run_until_idle();
  EXPECT_EQ(order, "a");
  t.loop.advance(SideLane::kRest * 1ms);
  EXPECT_EQ(order, "ab");
}

TEST_F(SideLaneTest, ItDoesNotRestForWhatNoClientAskedFor) {
  busy(5);
  lane.post(says('a', 1ms));
  lane.post(says('b'));
  t.loop.run_until_idle();
  EXPECT_EQ(order, "ab");
}

TEST_F(SideLaneTest, WhoHasWaitedForLongIsNotKeptWaiting) {
  lane.give_way();
  busy(5);
  lane.post(says('a', SideLane::kPatience));
  lane.post(says('b'));
  t.loop.run_until_idle();
  EXPECT_EQ(order, "ab");
}

TEST_F(SideLaneTest, ATaskNeverRunsInline) {
  lane.post([this] {
    lane.post(says('b'));
    order += 'a';
  });
  EXPECT_EQ(order, "");
  t.loop.run_until_idle();
  EXPECT_EQ(order, "ab");
}

TEST_F(SideLaneTest, TimersTakeTheirPlaceInTheLane) {
  lane.at(t.clock.now() + 5ms, says('t'));
  const env::TimerId never = lane.at(t.clock.now() + 5ms, says('x'));
  lane.cancel(never);
  t.loop.advance(4ms);
  EXPECT_EQ(order, "");
  t.loop.advance(2ms);
  EXPECT_EQ(order, "t");
}

TEST_F(SideLaneTest, ADueTimerThatWaitsForItsSliceCanStillBeCancelled) {
  const env::TimerId late = lane.at(t.clock.now() + 1ms, says('x'));
  lane.at(t.clock.now(), [&] { lane.cancel(late); });
  t.clock.advance(2ms);
  t.loop.run_until_idle();
  EXPECT_EQ(order, "");
}

TEST(SideLane, WhatIsPostedToAClosedOneIsDropped) {
  env::TestEnv t;
  bool ran = false;
  SideLane lane(t.clock, t.loop, 1ms);
  lane.post([&] { ran = true; });
  lane.at(t.clock.now() + 1ms, [&] { ran = true; });
  lane.close();
  lane.post([&] { ran = true; });
  t.loop.advance(1s);
  EXPECT_FALSE(ran);
}

TEST(SideLane, WhatStillWaitsIsDroppedWithIt) {
  env::TestEnv t;
  bool ran = false;
  {
    SideLane lane(t.clock, t.loop, 1ms);
    lane.post([&] { ran = true; });
    lane.at(t.clock.now() + 1ms, [&] { ran = true; });
  }
  t.loop.advance(1s);
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace ingot::host
