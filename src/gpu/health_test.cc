#include "gpu/health.h"

#include <gtest/gtest.h>

namespace ingot::gpu {
namespace {
using namespace std::chrono_literals;

struct Node {
  Inventory inventory{.boards = {{.uuid = "GPU-a"}, {.uuid = "GPU-b"}}};
  Health health;
  std::vector<Sample> samples{{.uuid = "GPU-a"}, {.uuid = "GPU-b"}};
  Instant now{1h};

  bool look() { return health.take(samples, inventory, now); }
  bool look(std::vector<uint64_t> xids) {
    samples[0].xids = std::move(xids);
    const bool changed = look();
    samples[0].xids.clear();
    return changed;
  }
  const Board& a() const { return inventory.boards[0]; }
};

TEST(Health, WhatAProgramCausedIsNoFault) {
  for (const uint64_t xid : {13, 31, 43, 45, 63}) EXPECT_FALSE(xid_is_fault(xid)) << xid;
  for (const uint64_t xid : {48, 64, 74, 79, 94, 95, 4711}) EXPECT_TRUE(xid_is_fault(xid)) << xid;
  Node node;
  EXPECT_FALSE(node.look({31, 13}));
  EXPECT_TRUE(node.a().healthy);
}

TEST(Health, AFaultCountsAtOnceAndServesAgainOnceClean) {
  Node node;
  EXPECT_TRUE(node.look({31, 79}));
  EXPECT_FALSE(node.a().healthy);
  EXPECT_EQ(node.a().fault, "XID 79: GPU has fallen off the bus");
  EXPECT_TRUE(node.inventory.boards[1].healthy);
  node.now += 4min;
  EXPECT_FALSE(node.look());
  EXPECT_FALSE(node.a().healthy);
  node.now += 1min;
  EXPECT_TRUE(node.look());
  EXPECT_TRUE(node.a().healthy && node.a().fault.empty());
  EXPECT_FALSE(node.look());
}

TEST(Health, EveryFaultThatFollowsDoublesTheTime) {
  Node node;
  for (const Duration wait :
       {Duration(5min), Duration(10min), Duration(20min), Duration(40min), Duration(1h), Duration(1h)}) {
    node.look({79});
    node.now += wait - 1s;
    EXPECT_FALSE(node.look());
    node.now += 1s;
    EXPECT_TRUE(node.look()) << wait.count();
  }
  node.now += 25h;
  node.look({79});
  node.now += 5min;
  EXPECT_TRUE(node.look()) << "a fault of yesterday is forgotten";
}

TEST(Health, ALostBoardAndOneThatVanishedAreFaults) {
  Node node;
  node.samples[0].lost = "GPU is lost";
  node.samples.pop_back();
  EXPECT_TRUE(node.look());
  EXPECT_EQ(node.a().fault, "GPU is lost");
  EXPECT_EQ(node.inventory.boards[1].fault, "the driver does not list it any more");
}

TEST(Health, EccErrorsLastUntilTheBoardIsReset) {
  Node node;
  node.samples[0].ecc_errors = 2;
  EXPECT_TRUE(node.look());
  node.now += 2h;
  EXPECT_FALSE(node.look());
  EXPECT_EQ(node.a().fault, "uncorrected ECC errors: 2");
  node.samples[0].ecc_errors = 0;
  node.now += 5min;
  EXPECT_TRUE(node.look());
}

TEST(Health, ABoardThatFailedBeforeTheNodeStartedHasToBeCleanFirst) {
  Node node;
  node.inventory.boards[0].healthy = false;
  EXPECT_FALSE(node.look());
  node.now += 5min;
  EXPECT_TRUE(node.look());
}

TEST(Health, ABoardThatSomebodyElseCordonedIsLeftToThem) {
  Node node;
  EXPECT_FALSE(node.look());
  node.inventory.boards[0].healthy = false;
  node.inventory.boards[0].fault = "it could not be cleared";
  node.now += 2h;
  EXPECT_FALSE(node.look({79}));
  EXPECT_EQ(node.a().fault, "it could not be cleared");
}

}  // namespace
}  // namespace ingot::gpu
