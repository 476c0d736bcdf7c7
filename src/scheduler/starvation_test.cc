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

// What a pass knows of run times: deadlines, what was learnt of runs that go on alike, the same of runs that
// become longer once they are known, or nothing.
enum class Known : uint8_t { Deadlines, Learnt, Wrong, Nothing };
constexpr std::string_view kKnown[] = {"deadlines", "learnt", "learnt wrongly", "nothing"};

// Small work of two tenants, always some of it waiting.
struct Stream {
  std::mt19937_64 random;
  Model model;
  Policy policy{.explain = false};
  Known known;
  WallTime now = kStart;
  std::map<std::string, WallTime> ends;
  std::map<std::string, Duration> runs;
  int nodes, made = 0;
  std::vector<std::string> names;
  int late = 0;  // ran longer than was learnt

  Stream(uint64_t seed, Known known) : random(seed), known(known), nodes(int(2 + below(4))) {
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
    if (known == Known::Deadlines) u.work.run_time = run;
    if (known == Known::Learnt || known == Known::Wrong) u.work.origin = id.substr(0, id.find('-'));
    runs[id] = run;
    model.set_unit(std::move(u));
  }

  void ended(const Allocation& a) {
    PastRuns& past = model.past_runs();
    late += now - a.since > past.expected(a.tenant, a.work.origin).value_or(Duration::max());
    // Wrong: what is learnt is a thirtieth to all of what it ran.
    const int64_t part = known == Known::Wrong ? 1 + below(30) : 30;
    past.add(a.tenant, a.work.origin, a.since, (now - a.since) * part / 30, true);
  }

  void step() {
    now = plus(now, kStep);
    for (auto at = ends.begin(); at != ends.end();) {
      if (at->second > now) {
        ++at;
        continue;
      }
      ended(*model.allocation(at->first));
      model.close(at->first);
      at = ends.erase(at);
    }
    while (model.units() < 6) small();
    const Placements p = schedule(model, policy, now);
    for (const Binding& b : p.bindings) ends[b.pod] = plus(now, runs.at(b.unit));
  }

  // Of four origins; each has its own range of run times, or, to be mistaken in, all of them.
  void small() {
    const int64_t origin = below(4);
    const std::string id = "small" + std::to_string(origin) + "-" + std::to_string(made++);
    names.push_back(id);
    const Duration run =
        known == Known::Learnt ? 2min + origin * 5min + below(3) * 1min : 2min + below(18) * 1min;
    add(id, below(2) ? "vision" : "speech", 1, 1 + below(4), run);
  }

  // Somebody came earlier and waits.
  bool behind(const Unit& large) const {
    for (const std::string& name : names) {
      const Unit* small = model.unit(name);
      if (small && small->created < large.created) return true;
    }
    return false;
  }
};

// Where estimates are wrong: the start that was promised is no later than the longest of them, and then everything that
// the nodes still hold runs out.
Duration bound(Known known) {
  const bool learnt = known == Known::Learnt || known == Known::Wrong;
  return kLongest + (learnt ? kLongest + kLongest / PastRuns::kMargin : 0s);
}

TEST(Starvation, LargeWorkStartsWithinTheStatedBound) {
  std::map<Known, int> late;
  for (const Known known : {Known::Deadlines, Known::Learnt, Known::Wrong, Known::Nothing})
    for (uint64_t seed = 1; seed <= 60; ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", known: " + std::string(kKnown[size_t(known)]));
      Stream s(seed, known);
      for (int i = 0; i < 60; ++i) s.step();
      s.add("large", "vision", 1 + s.below(s.nodes), 8, kLongest);
      const Unit large = *s.model.unit("large");
      WallTime first = s.now;
      while (s.model.unit("large")) {
        if (s.behind(large)) first = s.now;
        s.step();
        const WallTime due =
            plus(std::max(first, plus(large.created, s.policy.patience)), bound(known) + 2 * kStep);
        ASSERT_LE(s.now, due) << large.pods.size() << " of " << s.nodes << " nodes";
      }
      late[known] += s.late;
    }
  EXPECT_GT(late[Known::Wrong], 200) << "or nobody was mistaken";
}

}  // namespace
}  // namespace ingot::scheduler
