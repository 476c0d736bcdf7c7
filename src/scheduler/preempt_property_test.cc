// Random trees of queues, random work that comes and goes: what must hold of preemption and reclaim.
#include <gmock/gmock.h>

#include <algorithm>
#include <random>
#include <set>

#include "scheduler/schedule.h"

namespace ingot::scheduler {
namespace {

constexpr WallTime kStart{std::chrono::seconds(1'800'000'000)};
constexpr Duration kStep = std::chrono::minutes(1);

struct World {
  std::mt19937_64 random;
  Model model;
  Policy policy{.patience = std::chrono::hours(10'000), .explain = false};
  WallTime now = kStart;
  std::map<std::string, Queue> queues;
  std::vector<std::string> leaves;
  std::map<std::string, Unit> units;  // by id: as they are made, and made again
  std::map<std::string, WallTime> leave;
  std::set<std::pair<std::string, std::string>> gave_way;  // victim, preemptor; since somebody came or went
  size_t evictions = 0;                                    // since then
  int made = 0;

  explicit World(uint64_t seed) : random(seed) {
    const int64_t nodes = 3 + below(5);
    for (int64_t i = 0; i < nodes; ++i) {
      Node n{.name = "n" + std::to_string(i),
             .cpu_milli = 64'000,
             .memory_bytes = int64_t(1) << 40,
             .pods = 110,
             .ready = true};
      for (int gpu = 0; gpu < 8; ++gpu)
        n.devices.push_back({n.name + "/" + std::to_string(gpu), "H100-80GB"});
      model.set_node(std::move(n));
    }
    int64_t left = nodes * 8;  // what may yet be guaranteed
    for (int64_t d = 1 + below(3); d > 0; --d) {
      const std::string department = "d" + std::to_string(d);
      add_queue({.name = department, .weight = 1 + below(3)});
      for (int64_t l = 1 + below(3); l > 0; --l) {
        Queue leaf{
            .name = department + "-" + std::to_string(l), .parent = department, .weight = 1 + below(3)};
        const int64_t guarantee = below(left / 2 + 1);
        left -= guarantee;
        leaf.guarantee.gpu_milli = guarantee * 1000;
        if (below(3) == 0) leaf.limit.gpu_milli = (guarantee + below(12)) * 1000;
        leaves.push_back(leaf.name);
        add_queue(leaf);
      }
    }
  }

  int64_t below(int64_t n) { return int64_t(random() % uint64_t(n)); }
  void add_queue(const Queue& q) {
    queues[q.name] = q;
    model.set_queue(q);
  }
  void changed() {
    gave_way.clear();
    evictions = 0;
  }

  void arrive() {
    changed();
    const std::string id = "u" + std::to_string(made++);
    Unit u{.id = id, .tenant = "t" + std::to_string(below(3)), .priority = below(3), .created = now};
    const int64_t pods = below(3) > 0 ? 1 : 2 + below(3);
    if (pods > 1 && below(2) == 0) u.least = 1 + below(pods);
    const int64_t gpus = int64_t(1) << below(3);
    for (int64_t i = 0; i < pods; ++i)
      u.pods.push_back({id + "." + std::to_string(i), {.cpu_milli = 100, .gpus = gpus}});
    u.work.queue = leaves[size_t(below(int64_t(leaves.size())))];
    u.work.preempts = below(6) > 0;
    u.work.preemptible = below(6) > 0;
    u.work.least_run = std::chrono::minutes(below(3) == 0 ? 10 : 0);
    u.work.grace = std::chrono::seconds(30 * below(5));
    units[id] = u;
    model.set_unit(std::move(u));
  }

  void depart() {
    std::vector<std::string> running;
    for (const auto& [uid, a] : model.allocations()) running.push_back(a.work.unit);
    if (running.empty()) return;
    changed();
    const std::string id = running[size_t(below(int64_t(running.size())))];
    end_pods_of(id);
    model.erase_unit(id);
  }
  void end_pods_of(const std::string& id) {
    for (const std::string& uid : pods_of(id, true)) {
      model.close(uid);
      leave.erase(uid);
    }
  }
  std::vector<std::string> pods_of(const std::string& id, bool leaving) const {
    std::vector<std::string> out;
    for (const auto& [uid, a] : model.allocations())
      if (a.work.unit == id && (leaving || !a.leaving)) out.push_back(uid);
    return out;
  }

  // Those told to go are gone after their grace; a unit of which nothing is left waits again as a whole.
  void finish_leaving() {
    std::vector<std::string> gone;
    for (const auto& [uid, at] : leave)
      if (at <= now) gone.push_back(uid);
    for (const std::string& uid : gone) {
      const std::string id = model.allocation(uid)->work.unit;
      model.close(uid);
      leave.erase(uid);
      if (!pods_of(id, true).empty()) continue;
      model.erase_unit(id);
      model.set_unit(units.at(id));
    }
  }

  bool step() {
    now = std::chrono::time_point_cast<WallTime::duration>(now + kStep);
    finish_leaving();
    const Placements p = schedule(model, policy, now);
    check(p);
    return !p.bindings.empty() || !p.evictions.empty() || p.more || !leave.empty();
  }

  bool is_below(std::string queue, const std::string& above) const {
    for (; !queue.empty(); queue = queues.at(queue).parent)
      if (queue == above) return true;
    return false;
  }

  void check(const Placements& p) {
    std::set<std::string> told;
    for (const Eviction& e : p.evictions) {
      EXPECT_TRUE(told.insert(e.pod).second) << e.pod << " is told to go twice";
      const Allocation& a = *model.allocation(e.pod);
      const Unit& claimant = *model.unit(e.for_unit);
      ++evictions;
      EXPECT_TRUE(a.leaving);
      WallTime since = a.since;  // a gang goes as a whole, those that joined it later too
      for (const std::string& uid : pods_of(e.unit, true))
        since = std::min(since, model.allocation(uid)->since);
      EXPECT_LE(since + a.work.least_run, now) << e.pod << " had not run its time";
      if (e.why == Eviction::Why::Priority) {
        EXPECT_EQ(a.work.queue, claimant.work.queue);
        EXPECT_LT(a.work.priority, claimant.priority);
        EXPECT_TRUE(claimant.work.preempts && a.work.preemptible);
      } else {
        EXPECT_EQ(e.why, Eviction::Why::Reclaim);
        EXPECT_NE(a.work.queue, claimant.work.queue);
      }
      EXPECT_FALSE(gave_way.contains({e.for_unit, e.unit}))
          << e.for_unit << " and " << e.unit << " take turns";
      gave_way.insert({e.unit, e.for_unit});
      leave[e.pod] = std::chrono::time_point_cast<WallTime::duration>(now + a.work.grace);
    }
    std::map<std::string, int64_t> held, staying;
    for (const auto& [uid, a] : model.allocations()) {
      for (const auto& [name, q] : queues)
        if (is_below(a.work.queue, name)) held[name] += int64_t(a.devices.size()) * 1000;
      staying[a.work.unit] += !a.leaving;
    }
    for (const auto& [name, q] : queues)
      if (q.limit.gpu_milli) EXPECT_LE(held[name], *q.limit.gpu_milli) << "the limit of " << name;
    for (const auto& [id, n] : staying) {
      const Unit& u = units.at(id);
      if (n > 0) EXPECT_GE(n, u.least.value_or(int64_t(u.pods.size()))) << id << " runs with too few";
    }
  }

  // Nobody comes or goes until nothing changes any more.
  void settle() {
    int steps = 0;
    while (step() && !testing::Test::HasFailure()) ASSERT_LT(++steps, 200) << "it does not end";
    EXPECT_LE(evictions, model.allocations().size() + 8 * size_t(made)) << "far more than there is to evict";
  }

  // After all have run their least: no single GPU that is due to somebody is lent.
  void expect_reclaimed() {
    for (const auto& [id, unit] : units) {
      const Unit* waits = model.unit(id);
      if (!waits || waits->pods.size() > 1 || waits->pods[0].request.gpus > 1 || unit.pods.size() > 1)
        continue;
      Amounts asks;
      asks.cpu_milli = 100;
      asks.gpu_milli = 1000;
      const std::string& leaf = unit.work.queue;
      if (model.queues().refused(leaf, asks, {})) continue;
      for (const auto& [uid, a] : model.allocations())
        if (a.work.unit == uid.substr(0, uid.find('.')) && units.at(a.work.unit).pods.size() == 1)
          EXPECT_FALSE(model.queues().may_reclaim(leaf, asks, a.leaf, {}))
              << id << " of " << leaf << " waits for what " << a.leaf << " borrowed";
    }
  }
};

TEST(PreemptionProperties, HoldOverRandomTreesAndHistories) {
  size_t evicted = 0;
  for (uint64_t seed = 1; seed <= 120; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World w(seed);
    for (int event = 0; event < 60; ++event) {
      w.below(4) > 0 ? w.arrive() : w.depart();
      if (w.below(3) == 0) {
        w.settle();
        evicted += w.evictions;
      } else {
        w.step();
      }
      if (HasFailure()) return;
    }
    w.changed();
    w.now += std::chrono::minutes(15);
    w.settle();
    w.expect_reclaimed();
    if (HasFailure()) return;
  }
  EXPECT_GT(evicted, 500u);
}

}  // namespace
}  // namespace ingot::scheduler
