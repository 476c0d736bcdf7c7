// What is kept for a unit is there when its turn comes, whoever was placed before it.
#include <gmock/gmock.h>

#include <random>

#include "scheduler/schedule.h"

namespace ingot::scheduler {
namespace {

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};

struct World {
  std::mt19937_64 random;
  Policy policy{.explain = false};
  int boards;
  Unit owner;
  std::vector<Unit> others;
  std::vector<Allocation> held;
  bool mixes;

  explicit World(uint64_t seed) : random(seed), boards(int(2 + below(4))), mixes(below(3) == 0) {
    owner = unit("owner", 0);
    for (int64_t n = below(8); n > 0; --n) held.push_back({.uid = "held-" + std::to_string(n)});
    for (int64_t n = 1 + below(10); n > 0; --n) others.push_back(unit("other-" + std::to_string(n), 1));
  }
  int64_t below(int64_t n) { return int64_t(random() % uint64_t(n)); }
  std::string tenant() { return "t" + std::to_string(below(3)); }

  Unit unit(const std::string& id, int64_t age) {
    Request r{.cpu_milli = 100, .gpus = 1};
    const int64_t kind = below(4);
    if (kind == 0) r.gpus = 1 + below(2);
    if (kind == 1 || kind == 2) r.milli = int32_t(100 + 10 * below(70));
    if (kind == 3) r.profile = below(2) ? "1g.10gb" : "3g.40gb";
    return {.id = id, .tenant = tenant(), .created = kNow - std::chrono::seconds(age), .pods = {{id, r}}};
  }

  Model model() const {
    Model m;
    Node n{.name = "n", .cpu_milli = 64'000, .memory_bytes = int64_t(1) << 40, .pods = 110, .ready = true};
    for (int i = 0; i < boards; ++i) n.devices.push_back({"GPU-" + std::to_string(i), "H100-80GB"});
    m.set_pool({.name = "default", .shares_across_tenants = mixes});
    m.set_node(std::move(n));
    return m;
  }

  // What runs was placed as it would be.
  std::vector<Allocation> running() {
    Model m = model();
    for (const Allocation& a : held) m.set_unit(unit(a.uid, 2));
    (void)schedule(m, policy, kNow);
    std::vector<Allocation> out;
    for (const auto& [uid, a] : m.allocations()) out.push_back(a);
    return out;
  }
};

bool binds(const Placements& p, std::string_view unit) {
  return std::ranges::any_of(p.bindings, [&](const Binding& b) { return b.unit == unit; });
}

TEST(KeptProperties, NobodyWhoComesFirstTakesWhatIsKept) {
  size_t kept = 0, passed = 0;
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World w(seed);
    const std::vector<Allocation> running = w.running();
    Model alone = w.model(), crowded = w.model();
    for (const Allocation& a : running) {
      alone.open(a);
      crowded.open(a);
    }
    alone.set_unit(w.owner);
    if (!binds(schedule(alone, w.policy, kNow), "owner")) continue;
    ++kept;
    for (const Unit& other : w.others) crowded.set_unit(other);
    crowded.set_unit(w.owner);
    crowded.set_reservation({.unit = "owner", .pods = {{"n", 1}}, .since = kNow, .starts = kNow});
    const Placements p = schedule(crowded, w.policy, kNow);
    ASSERT_TRUE(binds(p, "owner"));
    passed += p.bindings.front().unit != "owner";
  }
  EXPECT_GT(kept, 1000u);
  EXPECT_GT(passed, 500u);
}

// A board that others share is not for a tenant before the last of them is gone.
TEST(KeptProperties, EvictingSomeOfABoardsSharersMakesNoRoomForAnotherTenant) {
  Model m;
  Node n{.name = "n", .cpu_milli = 64'000, .memory_bytes = int64_t(1) << 40, .pods = 110, .ready = true};
  n.devices = {{"GPU-0", "H100-80GB"}};
  m.set_node(std::move(n));
  m.set_tenant({.id = "due", .name = "due", .gpu_guarantee = 1});
  const auto share = [&](const std::string& uid, bool stays) {
    Held h("GPU-0");
    h.milli = 400;
    Allocation a{.uid = uid, .tenant = "lent", .node = "n", .devices = {h}, .since = kNow};
    a.work.unit = uid;
    if (stays) a.work.least_run = std::chrono::hours(1);
    m.open(std::move(a));
  };
  share("stays", true);
  share("goes", false);
  m.set_unit({.id = "u",
              .tenant = "due",
              .created = kNow,
              .pods = {{"u", {.cpu_milli = 100, .gpus = 1, .milli = 300}}}});
  EXPECT_THAT(schedule(m, {}, kNow).evictions, testing::IsEmpty());
  m.close("stays");
  share("stays", false);
  EXPECT_EQ(schedule(m, {}, kNow).evictions.size(), 2u);
}

}  // namespace
}  // namespace ingot::scheduler
