// Random factories and streams of whole, shared, MIG and shared MIG requests of several tenants: what must hold of
// every board after every pass, counted from nothing but nodes and open allocations.
#include <gmock/gmock.h>

#include <random>
#include <set>

#include "scheduler/schedule.h"

namespace ingot::scheduler {
namespace {

constexpr WallTime kStart{std::chrono::seconds(1'800'000'000)};

struct Kind {
  const char* model;
  int64_t memory_mib;
};
constexpr Kind kKinds[] = {{"H100-80GB", 81'559}, {"A30", 24'576}, {"A100-40GB", 40'960}, {"L4", 23'034}};
constexpr const char* kProfiles[] = {"1g.10gb", "1g.10gb+me", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb",
                                     "7g.80gb", "1g.6gb",     "2g.12gb", "1g.5gb",  "2g.10gb", "9g.90gb"};
constexpr const char* kTenants[] = {"vision", "speech", "search"};

struct World {
  Model model;
  std::mt19937_64 random;
  std::map<std::string, Node> nodes;
  std::map<std::string, Pool> pools;
  std::map<std::string, int64_t> limits;
  std::map<std::string, Request> asked;  // by pod
  int made = 0;
  std::set<std::string> seen;  // kinds of holding, to know that the streams have them

  explicit World(uint64_t seed) : random(seed) {
    for (Pool pool :
         {Pool{.name = "strict"}, Pool{.name = "open", .shares_across_tenants = true, .replicas = 3},
          Pool{.name = "whole", .slices = false, .replicas = 4}}) {
      pools[pool.name] = pool;
      model.set_pool(pool);
    }
    for (int i = 0; i < 6; ++i) change_node(i);
    for (const char* name : kTenants) {
      limits[name] = 4 + below(20);
      model.set_tenant({.id = name, .name = name, .gpu_guarantee = below(4), .gpu_limit = limits[name]});
    }
  }

  int64_t below(int64_t n) { return int64_t(random() % uint64_t(n)); }

  void change_node(int i) {
    static constexpr const char* kPools[] = {"strict", "open", "strict", "open", "whole", "strict"};
    Node n{.name = "n" + std::to_string(i),
           .pool = kPools[i],
           .cpu_milli = 100'000,
           .memory_bytes = int64_t(1) << 40,
           .pods = 200,
           .ready = true};
    for (int d = 0; d < 4; ++d) {
      const Kind& kind = kKinds[i < 3 ? 0 : i == 5 ? d : i - 2];
      n.devices.push_back(
          {"GPU-" + n.name + "-" + std::to_string(d), kind.model, below(10) > 0, kind.memory_mib});
    }
    nodes[n.name] = n;
    model.set_node(std::move(n));
  }

  Request request() {
    Request r{.cpu_milli = 100, .memory_bytes = 1 << 20, .gpus = 1};
    const int64_t kind = below(5);
    if (kind < 3) r.profile = kProfiles[below(std::size(kProfiles))];
    if (kind == 0 || kind == 4) r.gpus = 1 + below(3);
    if (kind == 0 || kind == 4) return r;
    if (kind == 1 && below(2)) return r;
    const int64_t share = below(3);
    if (share == 0) r.milli = int32_t(1 + below(999));
    if (share == 1) r.replica = true;
    if (share == 2) r.share_memory_mib = 1 + below(30'000);
    return r;
  }

  void add_unit() {
    Unit u{.id = "u" + std::to_string(made++),
           .tenant = kTenants[below(3)],
           .priority = below(2),
           .created = kStart - std::chrono::seconds(below(600))};
    const Request r = request();
    for (int64_t i = below(6) == 0 ? 2 : 1; i > 0; --i) {
      u.pods.push_back({u.id + "." + std::to_string(i), r});
      asked[u.pods.back().uid] = r;
    }
    model.set_unit(std::move(u));
  }

  void release_one() {
    if (model.allocations().empty()) return;
    const auto victim = std::next(model.allocations().begin(), below(int64_t(model.allocations().size())));
    model.close(std::string(victim->first));
  }

  // One holder's part of a board.
  struct Part {
    const Allocation* by;
    const Held* held;
  };

  void check(const Placements& placements) {
    std::map<std::string, std::vector<Part>> boards;
    std::map<std::string, int64_t> gpu_milli;
    for (const auto& [uid, a] : model.allocations())
      for (const Held& h : a.devices) {
        boards[h.uuid].push_back({&a, &h});
        gpu_milli[a.tenant] += gpu::board_milli(h.model, h.profile, h.milli);
      }
    for (const auto& [name, node] : nodes)
      for (const Device& d : node.devices)
        if (const auto parts = boards.find(d.uuid); parts != boards.end())
          check_board(d, pools.at(node.pool), parts->second);
    std::map<std::string, int64_t> counted;
    for (const auto& [tenant, milli] : gpu_milli) counted["~" + tenant] = milli;
    for (const auto& [unit, r] : model.reservations()) counted[r.leaf] += r.claimed.gpu_milli;
    for (const char* tenant : kTenants) {
      const std::string leaf = "~" + std::string(tenant);
      EXPECT_EQ(model.queues().usage(leaf).gpu_milli, counted[leaf]) << leaf;
    }
    for (const Binding& b : placements.bindings) {
      check_binding(b);
      EXPECT_LE(gpu_milli[model.allocation(b.pod)->tenant],
                limits.at(model.allocation(b.pod)->tenant) * 1000);
    }
  }

  void check_board(const Device& d, const Pool& pool, const std::vector<Part>& parts) {
    SCOPED_TRACE(d.uuid);
    std::map<std::pair<std::string, int>, std::vector<Part>> instances;
    for (const Part& p : parts) instances[{p.held->profile, p.held->start}].push_back(p);
    if (instances.contains({"", -1})) {
      EXPECT_EQ(instances.size(), 1u) << "cut, and held whole or shared";
      return check_shares(d.memory_mib, pool, parts);
    }
    std::vector<gpu::Instance> layout;
    for (const auto& [at, holders] : instances) {
      layout.push_back({gpu::find_profile(d.model, at.first), at.second});
      if (layout.back().profile) check_shares(layout.back().profile->memory_mib, pool, holders);
    }
    const auto verdict = gpu::legal(d.model, layout);
    EXPECT_TRUE(verdict) << verdict.error();
  }

  // Of a board or of an instance.
  void check_shares(int64_t memory_mib, const Pool& pool, const std::vector<Part>& parts) {
    int64_t milli = 0, memory = 0;
    for (const Part& p : parts) {
      milli += p.held->milli;
      if (p.held->milli < 1000 || !p.held->profile.empty()) memory += p.held->memory_mib;
      if (!pool.shares_across_tenants)
        EXPECT_EQ(p.by->tenant, parts[0].by->tenant) << "shared across tenants";
    }
    EXPECT_LE(milli, 1000);
    EXPECT_LE(memory, memory_mib);
  }

  void check_binding(const Binding& b) {
    SCOPED_TRACE(b.pod);
    const Request& r = asked.at(b.pod);
    const Node& node = nodes.at(b.node);
    EXPECT_EQ(int64_t(b.devices.size()), r.gpus);
    for (const Held& h : b.devices) {
      EXPECT_EQ(h.profile, r.profile);
      if (!r.profile.empty()) EXPECT_TRUE(pools.at(node.pool).slices);
      if (r.milli < 1000) EXPECT_EQ(h.milli, r.milli);
      if (r.replica) EXPECT_EQ(h.milli, 1000 / pools.at(node.pool).replicas);
      if (r.share_memory_mib > 0 && h.milli < 1000) EXPECT_GE(h.memory_mib, r.share_memory_mib);
      const auto board = std::ranges::find(node.devices, h.uuid, &Device::uuid);
      ASSERT_NE(board, node.devices.end());
      EXPECT_TRUE(board->healthy);
      seen.insert((h.profile.empty() ? "board" : "instance") + std::string(h.milli < 1000 ? " share" : ""));
    }
  }
};

TEST(SliceProperties, HoldOverRandomHistories) {
  size_t bound = 0;
  std::set<std::string> seen;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World w(seed);
    for (int step = 0; step < 60; ++step) {
      for (int64_t i = w.below(6); i > 0; --i) w.add_unit();
      for (int64_t i = w.below(5); i > 0; --i) w.release_one();
      if (w.below(8) == 0) w.change_node(int(w.below(6)));
      const Placements p = schedule(w.model, {}, kStart + std::chrono::seconds(step * 20));
      w.check(p);
      for (const Waiting& waits : p.waiting) EXPECT_FALSE(waits.reason->empty());
      if (testing::Test::HasFailure()) return;
      for (const Eviction& e : p.evictions) w.model.close(e.pod);
      bound += p.bindings.size();
    }
    seen.merge(w.seen);
  }
  EXPECT_GT(bound, 2'000u);
  EXPECT_THAT(seen, testing::ElementsAre("board", "board share", "instance", "instance share"));
}

// An instance is denied only where no board, cut any way around what runs, has room for it.
TEST(SliceProperties, WhatFitsIsPlaced) {
  std::mt19937_64 random(7);
  Model model;
  Node n{.name = "n", .cpu_milli = 100'000, .memory_bytes = int64_t(1) << 40, .pods = 200, .ready = true};
  for (int d = 0; d < 3; ++d) n.devices.push_back({"GPU-" + std::to_string(d), "H100-80GB", true, 81'559});
  model.set_node(n);
  const auto profiles = gpu::profiles("H100-80GB");
  size_t denied = 0;
  for (int step = 0; step < 4'000; ++step) {
    if (random() % 2 && !model.allocations().empty()) {
      const auto at =
          std::next(model.allocations().begin(), std::ptrdiff_t(random() % model.allocations().size()));
      model.close(std::string(at->first));
    }
    const gpu::Profile& p = profiles[random() % profiles.size()];
    std::map<std::string, gpu::Cut> cuts{{"GPU-0", {}}, {"GPU-1", {}}, {"GPU-2", {}}};
    for (const auto& [uid, a] : model.allocations())
      for (const Held& h : a.devices) {
        const gpu::Profile* held = gpu::find_profile(h.model, h.profile);
        cuts[h.uuid].taken |= held->at(h.start);
        cuts[h.uuid].media |= held->media();
      }
    const bool fits =
        std::ranges::any_of(cuts, [&](const auto& c) { return gpu::free_starts(p, c.second) != 0; });
    const std::string id = "p" + std::to_string(step);
    model.set_unit(
        {.id = id,
         .tenant = "vision",
         .created = kStart,
         .pods = {{id, {.cpu_milli = 1, .memory_bytes = 1, .gpus = 1, .profile = std::string(p.name)}}}});
    schedule(model, {}, kStart);
    ASSERT_EQ(model.allocation(id) != nullptr, fits) << p.name << " in step " << step;
    if (!fits) model.erase_unit(id);
    denied += !fits;
  }
  EXPECT_GT(denied, 500u);
}

}  // namespace
}  // namespace ingot::scheduler
