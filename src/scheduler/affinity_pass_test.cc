// Passes over models whose pods look at one another.
#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "scheduler/schedule.h"

namespace ingot::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Op = Requirement::Op;

constexpr WallTime kStart{std::chrono::seconds(1'800'000'000)};
const std::string kHost = "kubernetes.io/hostname", kRack = "cloud.provider.com/topology-rack";

PodTerm term(const std::string& key, const std::string& app) {
  return {.key = key, .labels = {{{"app", Op::In, {app}}}}, .namespaces = {"ns"}};
}

struct AffinityPass : ::testing::Test {
  void node(const std::string& name, const std::string& rack, int gpus = 4) {
    Node n{.name = name,
           .cpu_milli = 64'000,
           .memory_bytes = int64_t(64) << 30,
           .pods = 100,
           .labels = {{kHost, name}, {kRack, rack}},
           .ready = true};
    for (int i = 0; i < gpus; ++i)
      n.devices.push_back({.uuid = name + "-" + std::to_string(i), .model = "H100-80GB"});
    model.set_node(std::move(n));
  }
  // A unit of `pods` pods "id.0", …, all of the app.
  void unit(const std::string& id, const std::string& app, Affinity asks = {}, int pods = 1,
            TopologyAsk topology = {}, int64_t priority = 0, int gpus = 1) {
    Unit u{.id = id,
           .tenant = "t",
           .priority = priority,
           .created = kStart + std::chrono::seconds(made++),
           .topology = topology};
    for (int i = 0; i < pods; ++i) {
      const std::string uid = pods == 1 ? id : id + "." + std::to_string(i);
      u.pods.push_back({uid, {.cpu_milli = 100, .memory_bytes = 1 << 20, .gpus = gpus}});
      model.set_subject(uid, {.cluster = "c", .space = "ns", .labels = {{"app", app}}, .asks = asks}, false);
    }
    model.set_unit(std::move(u));
  }
  Placements pass() { return schedule(model, {}, kStart + std::chrono::minutes(1)); }
  static std::vector<std::string> nodes(const Placements& p) {
    std::vector<std::string> out;
    for (const Binding& b : p.bindings) out.push_back(b.node);
    return out;
  }
  static std::string reason(const Placements& p, const std::string& id) {
    for (const Waiting& w : p.waiting)
      if (w.unit == id) return *w.reason;
    return "";
  }
  Model model;
  int made = 0;
};

TEST_F(AffinityPass, ReplicasApartTakeOneNodeEachAndTheLastSaysWhyItWaits) {
  node("n0", "r0");
  node("n1", "r0");
  for (const char* id : {"a", "b", "c"}) unit(id, "web", {.apart = {term(kHost, "web")}});
  const Placements p = pass();
  EXPECT_EQ(p.bindings.size(), 2u);
  EXPECT_NE(p.bindings[0].node, p.bindings[1].node);
  EXPECT_EQ(reason(p, "c"),
            "2 of 2 nodes: pods with app=web in the same kubernetes.io/hostname (its pod anti-affinity)");
  model.close("a");
  model.erase_subject("a");
  EXPECT_EQ(pass().bindings.size(), 1u);
}

TEST_F(AffinityPass, APodThatAsksNothingAnswersToThoseThatRun) {
  node("n0", "r0");
  unit("alone", "alone", {.apart = {term(kHost, "web")}});
  EXPECT_EQ(pass().bindings.size(), 1u);
  unit("web", "web");
  const Placements p = pass();
  EXPECT_THAT(reason(p, "web"), HasSubstr("(their pod anti-affinity)"));
  unit("other", "other");
  EXPECT_THAT(nodes(pass()), ElementsAre("n0"));
}

TEST_F(AffinityPass, APodWaitsForThoseItMustBeNear) {
  node("n0", "r0");
  node("n1", "r1");
  unit("web", "web", {.near = {term(kRack, "cache")}});
  EXPECT_EQ(reason(pass(), "web"), "its pod affinity asks for pods with app=cache, and none is placed");
  unit("cache", "cache");
  const std::string where = nodes(pass()).at(0);
  EXPECT_THAT(nodes(pass()), ElementsAre(where));
}

TEST_F(AffinityPass, AGangMayHaveItsPodsApart) {
  for (int i = 0; i < 6; ++i) node("n" + std::to_string(i), i < 2 ? "r0" : "r1");
  unit("gang", "w", {.apart = {term(kHost, "w")}}, 4, {.mode = TopologyAsk::Mode::Required, .level = 2});
  EXPECT_THAT(nodes(pass()), ElementsAre("n2", "n3", "n4", "n5")) << "in one rack, ranks in its order";
  unit("large", "x", {.apart = {term(kHost, "x")}}, 7);
  const Placements p = pass();
  EXPECT_TRUE(p.bindings.empty()) << "none of it";
  EXPECT_THAT(reason(p, "large"), HasSubstr("6 of 7 pods of the gang fit: "));
}

TEST_F(AffinityPass, PreferencesDecideAmongNodesThatDo) {
  for (int i = 0; i < 4; ++i) node("n" + std::to_string(i), i < 2 ? "r0" : "r1");
  Affinity asks;
  asks.prefer_nodes = {{{.labels = {{kRack, Op::In, {"r1"}}}}, 50}};
  unit("a", "a", asks);
  EXPECT_THAT(nodes(pass()), ElementsAre("n2"));
  unit("b", "b", {.spread = {{.key = kRack, .labels = {{{"app", Op::In, {"a"}}}}, .required = false}}});
  EXPECT_THAT(nodes(pass()), ElementsAre("n0")) << "away from a";
}

TEST_F(AffinityPass, NobodyIsEvictedFromWhereThePodMayNotBe) {
  node("n0", "r0", 1);
  node("n1", "r1", 1);
  unit("low0", "low");
  unit("low1", "low");
  EXPECT_EQ(pass().bindings.size(), 2u);
  const std::string kept = model.allocation("low0")->node;
  unit("guard", "guard", {.apart = {term(kHost, "high")}}, 1, {}, 0, 0);
  const std::string guarded = nodes(pass()).at(0);
  unit("high", "high", {}, 1, {}, 1000);
  const Placements p = pass();
  ASSERT_EQ(p.evictions.size(), 1u);
  EXPECT_NE(p.evictions[0].node, guarded);
}

// Whatever comes and goes: no two pods stand where one of them forbids it, and no gang stands in part.
TEST_F(AffinityPass, NoPassBreaksAntiAffinity) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const auto below = [&](int n) { return int(random() % uint64_t(n)); };
    model = Model();
    made = 0;
    for (int i = 0; i < 6; ++i) node("n" + std::to_string(i), "r" + std::to_string(i / 2));
    const auto app = [&] { return std::string(1, char('a' + below(3))); };
    std::map<std::string, std::pair<std::string, Affinity>> pods;  // uid → app, asks
    std::map<std::string, size_t> gangs;
    for (int step = 0; step < 25; ++step) {
      Affinity asks;
      if (below(2)) asks.apart.push_back(term(below(2) ? kHost : kRack, app()));
      if (below(5) == 0) asks.near.push_back(term(kRack, app()));
      const std::string id = "u" + std::to_string(step), own = app();
      const int size = below(3) == 0 ? 2 + below(3) : 1;
      const TopologyAsk topology{
          .mode = size > 1 && below(2) ? TopologyAsk::Mode::Preferred : TopologyAsk::Mode::None, .level = 2};
      unit(id, own, asks, size, topology, below(3));
      for (int i = 0; i < size; ++i) pods[size == 1 ? id : id + "." + std::to_string(i)] = {own, asks};
      gangs[id] = size_t(size);
      std::map<std::string, size_t> placed;
      const Placements p = pass();
      for (const Binding& b : p.bindings) ++placed[b.unit];
      for (const auto& [unit, n] : placed) ASSERT_EQ(n, gangs.at(unit)) << unit;
      for (const auto& [one, a] : model.allocations())
        for (const auto& [other, b] : model.allocations()) {
          if (one == other) continue;
          for (const PodTerm& t : pods.at(one).second.apart) {
            const Labels &here = model.node(a.node)->labels, &there = model.node(b.node)->labels;
            if (selects(t, "ns", {}, {{"app", pods.at(other).first}}))
              ASSERT_NE(here.at(t.key), there.at(t.key)) << one << " and " << other;
          }
        }
      for (const Eviction& e : p.evictions) {
        model.close(e.pod);
        model.erase_subject(e.pod);
      }
      if (below(2) && !model.allocations().empty()) {
        const std::string gone =
            std::next(model.allocations().begin(), below(int(model.allocations().size())))->first;
        model.close(gone);
        model.erase_subject(gone);
      }
    }
  }
}

}  // namespace
}  // namespace ingot::scheduler
