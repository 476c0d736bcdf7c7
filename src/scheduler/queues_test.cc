// What queues held lately.
#include "scheduler/queues.h"

#include <gmock/gmock.h>

namespace ingot::scheduler {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kStart{std::chrono::hours(1'000'000)};

class LatelyTest : public testing::Test {
 protected:
  LatelyTest() {
    tree.set_capacity(gpus(8));
    tree.advance(kStart);
  }
  static Amounts gpus(int64_t n) { return {.gpu_milli = n * 1000}; }
  double average(std::string_view queue) {
    const auto decaying = tree.decaying(queue);
    return decaying ? decaying->average.gpu_milli : -1;
  }
  QueueTree tree;
};

TEST_F(LatelyTest, AnAverageMovesHalfwayInAHalfLife) {
  tree.set({.name = "a", .half_life = 1h});
  tree.add_usage("a", gpus(8));
  tree.advance(kStart + 1h);
  EXPECT_NEAR(average("a"), 4000, 1e-6);
  tree.remove_usage("a", gpus(8));
  tree.advance(kStart + 3h);
  EXPECT_NEAR(average("a"), 1000, 1e-6);
}

TEST_F(LatelyTest, AQueueHasTheHalfLifeOfTheOneAbove) {
  tree.set({.name = "leaf", .parent = "team"});
  EXPECT_FALSE(tree.decaying("leaf"));
  tree.set({.name = "lab", .half_life = 1h});
  tree.set({.name = "team", .parent = "lab"});
  EXPECT_EQ(tree.decaying("leaf")->half_life, Duration(1h));
  tree.set({.name = "team", .parent = "lab", .half_life = 2h});
  EXPECT_EQ(tree.decaying("leaf")->half_life, Duration(2h));
  tree.set({.name = "team", .parent = "lab"});
  EXPECT_EQ(tree.decaying("leaf")->half_life, Duration(1h));
  tree.erase("team");
  EXPECT_FALSE(tree.decaying("leaf")) << "it hangs below the root now";
}

TEST_F(LatelyTest, WhatIsRestoredIsWhatItWouldHaveBeen) {
  tree.set({.name = "a", .half_life = 1h});
  tree.add_usage("a", gpus(4));
  tree.advance(kStart + 30min);
  const Averages saved = tree.decaying("a")->average;
  tree.advance(kStart + 2h);
  const double then = average("a");
  QueueTree again;
  again.set({.name = "a", .half_life = 1h});
  again.add_usage("a", gpus(4));
  again.advance(kStart + 2h);
  again.restore("a", saved, kStart + 30min);
  EXPECT_NEAR(again.decaying("a")->average.gpu_milli, then, 1e-6);
}

TEST_F(LatelyTest, WhoHeldMuchLatelyComesLater) {
  for (const char* name : {"a", "b"}) tree.set({.name = name, .half_life = 1h});
  tree.add_usage("a", gpus(8));
  tree.advance(kStart + 1h);
  tree.remove_usage("a", gpus(8));
  for (const char* name : {"a", "b"}) tree.set_pending(name, kStart);
  ASSERT_TRUE(tree.first());
  EXPECT_EQ(*tree.first(), "b");
}

}  // namespace
}  // namespace ingot::scheduler
