// Gangs that ask for racks, groups and islands, through whole passes.
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "scheduler/schedule.h"

namespace ingot::scheduler {
namespace {

using ::testing::ElementsAre;
using Mode = TopologyAsk::Mode;

constexpr WallTime kStart{std::chrono::seconds(1'800'000'000)};
constexpr int kRack = 2;

struct TopologyPass : ::testing::Test {
  // Islands of the given sizes, one after the other.
  void node(const std::string& name, const std::string& rack, const std::vector<int>& islands) {
    Node n{.name = name,
           .cpu_milli = 64'000,
           .memory_bytes = int64_t(64) << 30,
           .pods = 100,
           .labels = {{"cloud.provider.com/topology-rack", rack}},
           .ready = true};
    for (const int size : islands) {
      const int first = n.links.boards;
      n.links.boards += size;
      for (int i = first; i < n.links.boards; ++i) {
        n.devices.push_back({.uuid = name + "-" + std::to_string(i), .model = "H100-80GB"});
        for (int peer = first; peer < n.links.boards; ++peer)
          if (peer != i) n.links.peers[size_t(i)] |= gpu::BoardMask(1u << peer);
      }
    }
    model.set_node(std::move(n));
  }
  void gang(const std::string& id, int pods, TopologyAsk ask, int gpus = 1, int64_t priority = 0) {
    Unit u{.id = id, .tenant = "t", .priority = priority, .created = kStart, .topology = ask};
    for (int i = 0; i < pods; ++i)
      u.pods.push_back(
          {id + "." + std::to_string(i), {.cpu_milli = 100, .memory_bytes = 1 << 20, .gpus = gpus}});
    model.set_unit(std::move(u));
  }
  Placements pass() { return schedule(model, {}, kStart + std::chrono::minutes(1)); }
  static std::vector<std::string> nodes(const Placements& p) {
    std::vector<std::string> out;
    for (const Binding& b : p.bindings) out.push_back(b.node);
    return out;
  }
  static std::set<std::string> devices(const Placements& p, size_t first, size_t n) {
    std::set<std::string> out;
    for (size_t i = first; i < first + n; ++i)
      for (const Held& h : p.bindings[i].devices) out.insert(h.uuid);
    return out;
  }
  Model model;
};

TEST_F(TopologyPass, AGangStandsInOneRackInRankOrderOrWaitsWithTheReason) {
  for (int i = 0; i < 4; ++i) node("n" + std::to_string(i), i < 2 ? "r0" : "r1", {4});
  gang("a", 6, {.mode = Mode::Required, .level = kRack});
  EXPECT_THAT(nodes(pass()), ElementsAre("n0", "n0", "n0", "n0", "n1", "n1"));
  gang("b", 9, {.mode = Mode::Required, .level = kRack});
  const Placements p = pass();
  EXPECT_TRUE(p.bindings.empty());
  ASSERT_EQ(p.waiting.size(), 1u);
  EXPECT_EQ(*p.waiting[0].reason, "needs 9 pods in one rack; the largest rack fits 8");
  gang("c", 2, {.mode = Mode::Required, .level = kRack});
  EXPECT_THAT(nodes(pass()), ElementsAre("n1", "n1"))
      << "b blocks nobody, and c fills the rack that is begun";
}

TEST_F(TopologyPass, TensorParallelGroupsGetAnIslandEach) {
  node("n0", "r0", {2, 4, 2});
  const TopologyAsk fours{.group = 4, .group_level = TopologyTree().island()};
  gang("a", 4, fours);
  const Placements p = pass();
  ASSERT_EQ(p.bindings.size(), 4u);
  EXPECT_EQ(devices(p, 0, 4), (std::set<std::string>{"n0-2", "n0-3", "n0-4", "n0-5"}))
      << "not the smaller islands, which would hold single pods";
  gang("b", 4, fours);
  const Placements none = pass();
  EXPECT_EQ(*none.waiting.at(0).reason,
            "needs 4 pods in one NVLink island; no node has one with that many free GPUs");
}

TEST_F(TopologyPass, RoomForAGroupIsMadeOnOneNode) {
  for (const std::string name : {"n0", "n1"}) {
    node(name, "r0", {8});
    for (int i = 0; i < 4; ++i) {
      Allocation a{.uid = name + "." + std::to_string(i), .tenant = "t", .node = name, .since = kStart};
      a.devices = {Held(name + "-" + std::to_string(i))};
      a.work.unit = "low-" + name;
      a.work.least = 4;
      model.open(std::move(a));
    }
  }
  // Eight GPUs are free in all, and four on each.
  gang("high", 8, {.group = 8, .group_level = TopologyTree().host()}, 1, 1000);
  const Placements p = pass();
  ASSERT_EQ(p.evictions.size(), 4u);
  for (const Eviction& e : p.evictions) {
    EXPECT_EQ(e.node, p.evictions[0].node);
    EXPECT_EQ(e.for_unit, "high");
  }
  for (const Eviction& e : p.evictions) model.close(e.pod);
  EXPECT_EQ(nodes(pass()), std::vector<std::string>(8, p.evictions[0].node));
}

TEST_F(TopologyPass, AWholeGangMayAskForOneIsland) {
  node("n0", "r0", {2, 2, 2});
  node("n1", "r0", {4});
  gang("a", 2, {.mode = Mode::Required, .level = TopologyTree().island()}, 2);
  const Placements p = pass();
  EXPECT_THAT(nodes(p), ElementsAre("n1", "n1"));
}

}  // namespace
}  // namespace ingot::scheduler
