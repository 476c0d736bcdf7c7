// Random factories, random streams of pods, releases and changes of nodes: what must hold after every pass.
#include <gmock/gmock.h>

#include <algorithm>
#include <random>
#include <set>

#include "scheduler/schedule.h"

namespace ingot::scheduler {
namespace {

constexpr WallTime kStart{std::chrono::seconds(1'800'000'000)};

struct World {
  Model model;
  std::mt19937_64 random;
  std::map<std::string, Node> nodes;
  std::map<std::string, int64_t> limits, guarantees;
  std::map<std::string, size_t> gangs;  // unit → pods
  int made = 0;

  explicit World(uint64_t seed) : random(seed) {
    for (int i = 0; i < 8; ++i) change_node(i);
    for (const char* name : {"vision", "speech", "search"}) {
      const int64_t limit = below(20);
      limits[name] = limit;
      guarantees[name] = below(5);
      model.set_tenant({.id = name,
                        .name = name,
                        .gpu_guarantee = guarantees[name],
                        .gpu_limit = limit,
                        .weight = 1 + below(4)});
    }
  }

  int64_t below(int64_t n) { return int64_t(random() % uint64_t(n)); }

  void change_node(int64_t i) {
    Node n{.name = "n" + std::to_string(i),
           .cpu_milli = 4'000 + below(30'000),
           .memory_bytes = (1'000 + below(9'000)) << 20,
           .pods = 3 + below(30),
           .labels = {{"zone", below(2) ? "a" : "b"}},
           .ready = below(8) > 0,
           .cordoned = below(8) == 0};
    for (int64_t d = below(9); d > 0; --d)
      n.devices.push_back({"GPU-" + n.name + "-" + std::to_string(d), "H100-80GB", below(10) > 0});
    nodes[n.name] = n;
    model.set_node(std::move(n));
  }

  void add_unit() {
    static const char* const kTenants[] = {"vision", "speech", "search"};
    Unit u{.id = "u" + std::to_string(made++),
           .tenant = kTenants[below(3)],
           .priority = below(3),
           .created = kStart - std::chrono::seconds(below(600))};
    Request r{.cpu_milli = 100 * (1 + below(40)), .memory_bytes = (1 + below(2'000)) << 20, .gpus = below(5)};
    if (below(4) == 0) r.where.selector = {{"zone", "a"}};
    for (int64_t i = below(5) == 0 ? 2 + below(4) : 1; i > 0; --i)
      u.pods.push_back({u.id + "." + std::to_string(i), r});
    gangs[u.id] = u.pods.size();
    model.set_unit(std::move(u));
  }

  void release_one() {
    if (model.allocations().empty()) return;
    const auto victim = std::next(model.allocations().begin(), below(int64_t(model.allocations().size())));
    model.close(std::string(victim->first));
  }

  // Per pass: what it decided is possible, counted from nothing but the nodes and the open allocations.
  void check(const Placements& placements, const std::map<std::string, int64_t>& before) {
    std::set<std::string> devices;
    std::map<std::string, int64_t> cpu, memory, pods, gpus;
    for (const auto& [uid, a] : model.allocations()) {
      cpu[a.node] += a.cpu_milli;
      memory[a.node] += a.memory_bytes;
      pods[a.node] += 1;
      gpus[a.tenant] += int64_t(a.devices.size());
      for (const Held& d : a.devices)
        ASSERT_TRUE(devices.insert(d.uuid).second) << d.uuid << " is held twice";
    }
    std::map<std::string, size_t> placed;
    for (const Binding& b : placements.bindings) {
      const Node& n = nodes.at(b.node);
      EXPECT_TRUE(n.ready && !n.cordoned);
      EXPECT_LE(cpu[b.node], n.cpu_milli);
      EXPECT_LE(memory[b.node], n.memory_bytes);
      EXPECT_LE(pods[b.node], n.pods);
      for (const Held& h : b.devices)
        EXPECT_EQ(
            std::ranges::count_if(n.devices, [&](const Device& d) { return d.healthy && d.uuid == h.uuid; }),
            1);
      const std::string tenant = model.allocation(b.pod)->tenant;
      if (!b.devices.empty()) EXPECT_LE(gpus[tenant], limits.at(tenant));
      EXPECT_EQ(int64_t(gpus[tenant]), model.gpus_held(tenant));
      ++placed[b.unit];
    }
    for (const auto& [unit, count] : placed) EXPECT_EQ(count, gangs.at(unit)) << "a partial gang";
    if (!placements.more) EXPECT_EQ(placements.waiting.size(), model.units());
    for (const Eviction& e : placements.evictions) {
      const Allocation* victim = model.allocation(e.pod);
      ASSERT_TRUE(victim && victim->leaving);
      const Unit* claimant = model.unit(e.for_unit);
      if (victim->tenant == claimant->tenant) {
        EXPECT_LT(victim->work.priority, claimant->priority);
        continue;
      }
      int64_t asks = 0, stays = gpus[victim->tenant];
      for (const PendingPod& pod : claimant->pods) asks += pod.request.gpus;
      EXPECT_LE(before.at(claimant->tenant) + asks, guarantees.at(claimant->tenant));
      for (const auto& [uid, a] : model.allocations())
        if (a.tenant == victim->tenant && a.leaving && a.work.unit != victim->work.unit)
          stays -= int64_t(a.devices.size());
      for (const auto& [unit, r] : model.reservations())  // promised to it already
        if (model.unit(unit)->tenant == victim->tenant) stays += r.claimed.gpu_milli / 1000;
      EXPECT_GT(stays, guarantees.at(victim->tenant)) << "more is taken back than was lent";
    }
    for (const Waiting& w : placements.waiting) EXPECT_FALSE(w.reason->empty());
  }
};

// The same contents in a fresh model, entered in another order.
Model copy_of(const World& w, const std::vector<Unit>& units) {
  Model copy;
  for (auto u = units.rbegin(); u != units.rend(); ++u) copy.set_unit(*u);
  for (const auto& [uid, a] : w.model.allocations()) copy.open(a);
  for (auto n = w.nodes.rbegin(); n != w.nodes.rend(); ++n) copy.set_node(n->second);
  return copy;
}

TEST(SchedulerProperties, HoldOverRandomHistories) {
  size_t bound = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World w(seed);
    Policy policy;
    for (int step = 0; step < 60; ++step) {
      for (int64_t i = w.below(6); i > 0; --i) w.add_unit();
      for (int64_t i = w.below(4); i > 0; --i) w.release_one();
      if (w.below(4) == 0) w.change_node(w.below(8));
      policy.max_units = size_t(1 + w.below(10));
      policy.max_checks = size_t(10 + w.below(1'000));
      std::map<std::string, int64_t> before;
      for (const auto& [name, limit] : w.limits) before[name] = w.model.gpus_held(name);
      const Placements p = schedule(w.model, policy, kStart + std::chrono::seconds(step * 20));
      w.check(p, before);
      if (HasFailure()) return;
      bound += p.bindings.size();
    }
  }
  EXPECT_GT(bound, 1'000u);
}

TEST(SchedulerProperties, TheSameContentsGiveTheSamePlacements) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World w(seed);
    std::vector<Unit> units;
    for (int i = 0; i < 40; ++i) w.add_unit();
    schedule(w.model,
             {.patience = std::chrono::hours(1), .placement = PlacementCost::BestFit, .preempt = false},
             kStart);
    for (int i = 0; i < 8; ++i) w.release_one();
    for (int i = 0; i < w.made; ++i)
      if (const Unit* u = w.model.unit("u" + std::to_string(i))) units.push_back(*u);
    Model copy = copy_of(w, units);
    for (const auto& [name, limit] : w.limits) w.model.erase_tenant(name);
    // With patience for all, for a reservation is memory of an earlier pass.
    // Without what demand was learnt from earlier arrivals.
    const Policy patient{
        .patience = std::chrono::hours(1), .placement = PlacementCost::BestFit, .preempt = false};
    const Placements a = schedule(w.model, patient, kStart);
    const Placements b = schedule(copy, patient, kStart);
    ASSERT_EQ(a.bindings.size(), b.bindings.size());
    for (size_t i = 0; i < a.bindings.size(); ++i) {
      EXPECT_EQ(a.bindings[i].pod, b.bindings[i].pod);
      EXPECT_EQ(a.bindings[i].node, b.bindings[i].node);
      EXPECT_EQ(a.bindings[i].devices, b.bindings[i].devices);
    }
    ASSERT_EQ(a.waiting.size(), b.waiting.size());
    for (size_t i = 0; i < a.waiting.size(); ++i) EXPECT_EQ(*a.waiting[i].reason, *b.waiting[i].reason);
  }
}

// The work of a pass is counted, not timed: 10,000 equal pods on 1,000 nodes look at each node about once
// each time it changes, not at 10 million.
TEST(SchedulerProperties, EqualRequestsShareOneSearch) {
  Model model;
  for (int i = 0; i < 1'000; ++i) {
    Node n{.name = "n" + std::to_string(i),
           .cpu_milli = 64'000,
           .memory_bytes = int64_t(1) << 40,
           .pods = 110,
           .ready = true};
    for (int d = 0; d < 8; ++d) n.devices.push_back({n.name + "-" + std::to_string(d), "H100-80GB"});
    model.set_node(std::move(n));
  }
  for (int i = 0; i < 10'000; ++i) {
    const std::string id = "p" + std::to_string(i);
    model.set_unit({.id = id,
                    .tenant = "vision",
                    .created = kStart,
                    .pods = {{id, {.cpu_milli = 1'000, .memory_bytes = 1 << 20, .gpus = 1}}}});
  }
  // With 40,000 node checks allowed a pass that searched per pod would place at most 40.
  const Placements p = schedule(model, {.max_units = 10'000, .max_checks = 40'000}, kStart);
  EXPECT_EQ(p.bindings.size(), 8'000u);
  EXPECT_EQ(p.waiting.size(), 2'000u);
}

}  // namespace
}  // namespace ingot::scheduler
