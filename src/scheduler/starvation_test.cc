// The bound that schedule.h states: large work is not starved by a stream of small work.
#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "scheduler/schedule.h"

namespace ingot::scheduler {
namespace {

using namespace std::chrono_literals;
constexpr WallTime kStart{std::chrono::seconds(1'800'000'000)};
constexpr Duration kStep = 30s, kLongest = 20min;

WallTime plus(WallTime t, Duration d) { return std::chrono::time_point_cast<WallTime::duration>(t + d); }

// Small work of two tenants, always some of it waiting.
struct Stream {
  std::mt19937_64 random;
  Model model;
  Policy policy{.explain = false};
  bool known;  // run times
  WallTime now = kStart;
  std::map<std::string, WallTime> ends;
  std::map<std::string, Duration> runs;
  int nodes, made = 0;

  Stream(uint64_t seed, bool known) : random(seed), known(known), nodes(int(2 + below(4))) {
    for (int i = 0; i < nodes; ++i) {
      const std::string name = "n" + std::to_string(i);
      Node n{.name = name, .cpu_milli = 64'000, .memory_bytes = int64_t(1) << 40, .pods = 110, .ready = true};
      for (int gpu = 0; gpu < 8; ++gpu) n.devices.push_back({name + "/" + std::to_string(gpu), "H100-80GB"});
      model.set_node(std::move(n));
    }
  }
  int64_t below(int64_t n) { return int64_t(random() % uint64_t(n)); }

  void add(const std::string& id, const std::string& tenant, int64_t pods, int64_t gpus, Duration run) {
    Unit u{.id = id, .tenant = tenant, .created = now};
    for (int64_t i = 0; i < pods; ++i)
      u.pods.push_back({id + "." + std::to_string(i), {.cpu_milli = 100, .gpus = gpus}});
    if (known) u.work.run_time = run;
    runs[id] = run;
    model.set_unit(std::move(u));
  }

  void step() {
    now = plus(now, kStep);
    for (auto at = ends.begin(); at != ends.end();) {
      if (at->second > now) {
        ++at;
        continue;
      }
      model.close(at->first);
      at = ends.erase(at);
    }
    while (model.units() < 6)
      add("small-" + std::to_string(made++), below(2) ? "vision" : "speech", 1, 1 + below(4),
          2min + below(18) * 1min);
    const Placements p = schedule(model, policy, now);
    for (const Binding& b : p.bindings) ends[b.pod] = plus(now, runs.at(b.unit));
  }

  // Somebody came earlier and waits.
  bool behind(const Unit& large) const {
    for (int i = 0; i < made; ++i) {
      const Unit* small = model.unit("small-" + std::to_string(i));
      if (small && small->created < large.created) return true;
    }
    return false;
  }
};

TEST(Starvation, LargeWorkStartsWithinTheStatedBound) {
  for (const bool known : {true, false})
    for (uint64_t seed = 1; seed <= 60; ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed) + (known ? ", run times known" : ", run times unknown"));
      Stream s(seed, known);
      for (int i = 0; i < 60; ++i) s.step();
      s.add("large", "vision", 1 + s.below(s.nodes), 8, kLongest);
      const Unit large = *s.model.unit("large");
      WallTime first = s.now;
      while (s.model.unit("large")) {
        if (s.behind(large)) first = s.now;
        s.step();
        const WallTime due =
            plus(std::max(first, plus(large.created, s.policy.patience)), kLongest + 2 * kStep);
        ASSERT_LE(s.now, due) << large.pods.size() << " of " << s.nodes << " nodes";
      }
    }
}

}  // namespace
}  // namespace ingot::scheduler
