// Consolidation: who is moved for whom, and that moving ends.
#include <gmock/gmock.h>

#include <algorithm>
#include <random>
#include <set>

#include "scheduler/schedule.h"

namespace ingot::scheduler {
namespace {

using testing::IsEmpty;
using testing::SizeIs;
using namespace std::chrono_literals;

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};

Node node(const std::string& name, int gpus) {
  Node n{.name = name, .cpu_milli = 64'000, .memory_bytes = int64_t(1) << 40, .pods = 110, .ready = true};
  for (int i = 0; i < gpus; ++i) n.devices.push_back({name + "/" + std::to_string(i), "H100-80GB"});
  return n;
}

Unit unit(const std::string& id, int pods, int64_t gpus) {
  Unit u{.id = id, .tenant = "vision", .created = kNow};
  for (int i = 0; i < pods; ++i)
    u.pods.push_back({id + "." + std::to_string(i), {.cpu_milli = 100, .gpus = gpus}});
  return u;
}

struct MoveTest : testing::Test {
  Model model;

  void hold(const std::string& uid, const std::string& on, std::vector<int> gpus, bool movable = true) {
    Allocation a{.uid = uid, .tenant = "speech", .node = on, .cpu_milli = 100, .since = kNow - 1h};
    for (const int gpu : gpus) a.devices.emplace_back(on + "/" + std::to_string(gpu));
    a.work.movable = movable;
    a.work.least_run = 10min;
    model.open(std::move(a));
  }
  // Two nodes of four GPUs, two free on each.
  void scatter(bool movable) {
    for (const std::string name : {"a", "b"}) {
      model.set_node(node(name, 4));
      hold(name + "-1", name, {0}, movable);
      hold(name + "-2", name, {1}, movable);
    }
  }
  Placements run(WallTime now = kNow) { return schedule(model, {}, now); }
};

TEST_F(MoveTest, MovablePodsMakeWayWhereTheyFitElsewhere) {
  scatter(true);
  model.set_unit(unit("big", 1, 4));
  const Placements p = run();
  EXPECT_THAT(p.bindings, IsEmpty());
  ASSERT_THAT(p.evictions, SizeIs(2));
  EXPECT_EQ(p.evictions[0].node, p.evictions[1].node);
  for (const Eviction& e : p.evictions) {
    EXPECT_EQ(e.why, Eviction::Why::Move);
    EXPECT_EQ(e.for_unit, "big");
    EXPECT_EQ(e.message, "moves to another node, so that larger work fits here");
    model.close(e.pod);
  }
  model.set_unit(unit("again-1", 1, 1));  // those that were moved come again
  model.set_unit(unit("again-2", 1, 1));
  const Placements after = run(kNow + 1s);
  EXPECT_THAT(after.bindings, SizeIs(3));
  EXPECT_EQ(model.units(), 0u);
}

TEST_F(MoveTest, NobodyMovesWhoIsNotMarkedOrStartedJustNow) {
  scatter(false);
  model.set_unit(unit("big", 1, 4));
  EXPECT_THAT(run().evictions, IsEmpty());
  Model other;
  model = std::move(other);
  scatter(true);
  model.set_unit(unit("big", 1, 4));
  EXPECT_THAT(run(kNow - 55min).evictions, IsEmpty()) << "it runs ten minutes at least";
  EXPECT_THAT(run().evictions, SizeIs(2));
}

TEST_F(MoveTest, NobodyMovesWithoutRoomElsewhere) {
  scatter(true);
  model.set_unit(unit("bigger", 2, 4));
  EXPECT_THAT(run().evictions, IsEmpty()) << "it would need both nodes";
  Unit placed = unit("other", 1, 3);
  Node third = node("c", 1);
  model.set_node(third);
  model.set_unit(placed);
  model.erase_unit("bigger");
  hold("b-3", "b", {2}, false);
  const Placements p = run();
  ASSERT_THAT(p.evictions, SizeIs(1)) << "three GPUs: one pod moves, not two";
}

TEST_F(MoveTest, AMovedPodKeepsToItsConstraints) {
  scatter(true);
  for (const std::string pod : {"a-1", "a-2", "b-1", "b-2"}) {
    Subject s{.cluster = "c", .space = "default"};
    s.where.selector = {{"zone", "east"}};
    model.set_subject(pod, s, false);
  }
  model.set_unit(unit("big", 1, 4));
  EXPECT_THAT(run().evictions, IsEmpty()) << "no node is in that zone";
}

TEST_F(MoveTest, APodMovesOnceForAUnitAndWhoIsMovableMovesNobody) {
  scatter(true);
  Unit movable = unit("movable", 1, 4);
  movable.work.movable = true;
  model.set_unit(movable);
  EXPECT_THAT(run().evictions, IsEmpty());
  model.erase_unit("movable");
  model.set_unit(unit("big", 1, 4));
  const Placements p = run();
  ASSERT_THAT(p.evictions, SizeIs(2));
  // The room that was made is lost: its node goes.
  for (const Eviction& e : p.evictions) model.close(e.pod);
  model.erase_node(p.evictions[0].node);
  model.set_node(node("c", 4));
  hold("c-1", "c", {0});
  hold("c-2", "c", {1});
  EXPECT_THAT(run(kNow + 1h).evictions, IsEmpty());
}

// Random factories where part of the work is movable. Each unit moves others at most once; they had run as long as
// they must; the unit then is placed, and so are those who moved for it, as long as nobody else comes.
TEST(MoveProperties, MovesEndWithAllPlaced) {
  size_t moves = 0, settled = 0;
  for (uint64_t seed = 1; seed <= 600; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const auto below = [&](int n) { return int(random() % uint64_t(n)); };
    Model model;
    std::map<std::string, int64_t> gpus_of;
    const int nodes = 3 + below(6);
    for (int n = 0; n < nodes; ++n) {
      const std::string name = "n" + std::to_string(n);
      model.set_node(node(name, 8));
      for (int gpu = 0; gpu < 8;) {
        const int size = 1 + below(3);
        if (below(2) == 0 && gpu + size <= 8) {
          Allocation a{.uid = name + "-" + std::to_string(gpu),
                       .tenant = below(2) ? "vision" : "speech",
                       .node = name,
                       .cpu_milli = 100,
                       .since = kNow - std::chrono::minutes(below(30))};
          for (int i = 0; i < size; ++i) a.devices.emplace_back(name + "/" + std::to_string(gpu + i));
          a.work.movable = below(4) > 0;
          a.work.least_run = 5min;
          gpus_of[a.uid] = size;
          model.open(std::move(a));
        }
        gpu += size;
      }
    }
    model.set_unit(unit("big", 1 + below(2), 4 + below(5)));
    WallTime now = kNow;
    std::set<std::string> for_units;
    size_t turn = 0;
    for (;; ++turn, now += 60s) {
      ASSERT_LT(turn, 20u) << "it does not end";
      const Placements p = schedule(model, {}, now);
      if (p.evictions.empty() && p.bindings.empty()) break;
      if (!p.evictions.empty())
        EXPECT_TRUE(for_units.insert(p.evictions.front().for_unit).second) << "moved others twice";
      for (const Eviction& e : p.evictions) {
        EXPECT_EQ(e.why, Eviction::Why::Move);
        const Allocation& a = *model.allocation(e.pod);
        EXPECT_TRUE(a.work.movable);
        EXPECT_LE(a.since + a.work.least_run, now);
        Unit again = unit(e.pod + "'", 1, gpus_of.at(e.pod));
        again.work.movable = true;
        again.work.least_run = 5min;
        again.tenant = a.tenant;
        model.close(e.pod);
        model.set_unit(std::move(again));
        ++moves;
      }
    }
    if (for_units.empty()) continue;
    EXPECT_EQ(model.units(), 0u) << "somebody was left without a place";
    ++settled;
  }
  EXPECT_GT(moves, 50u);
  EXPECT_GT(settled, 20u);
}

}  // namespace
}  // namespace ingot::scheduler
