#include "scheduler/affinity.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "scheduler/objects_affinity.h"

namespace ingot::scheduler {
namespace {

using ::testing::HasSubstr;
using Op = Requirement::Op;

constexpr const char* kZone = "zone";
constexpr const char* kHost = "kubernetes.io/hostname";

Selector app(const std::string& name) { return std::vector<Requirement>{{"app", Op::In, {name}}}; }
PodTerm term(const char* key, Selector labels, std::vector<std::string> spaces = {"ns"}) {
  return {.key = key, .labels = std::move(labels), .namespaces = std::move(spaces)};
}
Subject pod(const std::string& name, Affinity asks = {}, const std::string& space = "ns") {
  return {.cluster = "c1", .space = space, .labels = {{"app", name}}, .asks = std::move(asks)};
}

// Four nodes: 0 and 1 in zone a, 2 and 3 in zone b; node 4 without a zone.
struct AffinityTest : ::testing::Test {
  AffinityTest() {
    for (int i = 0; i < 5; ++i) {
      Labels labels{{kHost, "n" + std::to_string(i)}};
      if (i < 4) labels[kZone] = i < 2 ? "a" : "b";
      index.set_node(i, "n" + std::to_string(i), labels, {}, false);
    }
  }
  std::string allowed(const Subject& s) {
    const AffinityIndex::Id id = index.acquire(s);
    std::string out;
    for (int i = 0; i < 5; ++i)
      if (index.allowed(id, i)) out += char('0' + i);
    index.release(id);
    return out;
  }
  std::vector<int32_t> scores(const Subject& s, const std::vector<int>& slots) {
    const AffinityIndex::Id id = index.acquire(s);
    std::vector<int32_t> out(slots.size());
    index.prefer(id, slots, out);
    index.release(id);
    return out;
  }
  std::string why(const Subject& s) {
    const AffinityIndex::Id id = index.acquire(s);
    std::string out = index.explain(id, std::vector<int>{0, 1, 2, 3, 4});
    index.release(id);
    return out;
  }
  void place(const Subject& s, int slot, int pods = 1, bool ending = false) {
    const AffinityIndex::Id id = index.acquire(s);
    index.place(id, slot, pods, ending);
    index.release(id);
  }
  AffinityIndex index;
};

TEST_F(AffinityTest, NearPutsAPodIntoTheDomainOfThoseItNames) {
  const Subject web = pod("web", {.near = {term(kZone, app("cache"))}});
  EXPECT_EQ(allowed(web), "");
  EXPECT_EQ(why(web), "its pod affinity asks for pods with app=cache, and none is placed");
  place(pod("cache"), 2);
  EXPECT_EQ(allowed(web), "23");
  place(pod("cache"), 2, -1);
  place(pod("cache"), 4);
  EXPECT_EQ(allowed(web), "") << "a node without the label is in no domain";
}

TEST_F(AffinityTest, TheFirstOfItsKindMayGoAnywhereWithTheLabel) {
  const Subject web = pod("web", {.near = {term(kZone, app("web"))}});
  EXPECT_EQ(allowed(web), "0123");
  place(web, 3);
  EXPECT_EQ(allowed(web), "23");
}

TEST_F(AffinityTest, APodMustMatchAllTermsToCountForAny) {
  Subject both =
      pod("web", {.near = {term(kZone, app("cache")), term(kHost, {{{"tier", Op::In, {"fast"}}}})}});
  place(pod("cache"), 0);
  EXPECT_EQ(allowed(both), "");
  Subject fast = pod("cache");
  fast.labels["tier"] = "fast";
  place(fast, 1);
  EXPECT_EQ(allowed(both), "1");
}

TEST_F(AffinityTest, ApartKeepsOutInBothDirections) {
  const Subject alone = pod("alone", {.apart = {term(kHost, app("web"))}});
  place(pod("web"), 0);
  EXPECT_EQ(allowed(alone), "1234");
  place(alone, 1);
  EXPECT_EQ(allowed(pod("web")), "0234") << "a pod without asks answers to those that run";
  EXPECT_EQ(allowed(pod("other")), "01234");
  place(alone, 1, -1);
  EXPECT_EQ(allowed(pod("web")), "01234");
}

TEST_F(AffinityTest, PodsSeeOnlyTheirNamespacesAndNeverAnotherCluster) {
  Subject stranger = pod("web");
  stranger.cluster = "c2";
  place(stranger, 0);
  place(pod("web", {}, "other"), 1);
  EXPECT_EQ(allowed(pod("x", {.apart = {term(kHost, app("web"))}})), "01234");
  EXPECT_EQ(allowed(pod("x", {.apart = {term(kHost, app("web"), {"other"})}})), "0234");
  PodTerm labelled = term(kHost, app("web"), {});
  labelled.namespace_labels = {{{"team", Op::In, {"red"}}}};
  const Subject x = pod("x", {.apart = {labelled}});
  EXPECT_EQ(allowed(x), "01234");
  index.set_space("c1", "other", {{"team", "red"}});
  EXPECT_EQ(allowed(x), "0234");
  index.set_space("c1", "other", {{"team", "blue"}});
  EXPECT_EQ(allowed(x), "01234");
}

TEST_F(AffinityTest, SpreadKeepsTheSkew) {
  const Subject web = pod("web", {.spread = {{.key = kZone, .labels = app("web"), .max_skew = 1}}});
  EXPECT_EQ(allowed(web), "0123");
  place(web, 0);
  EXPECT_EQ(allowed(web), "23");
  EXPECT_THAT(why(web), HasSubstr("more than 1 over the fewest pods with app=web by zone"));
  place(web, 2, 1, true);
  EXPECT_EQ(allowed(web), "23") << "a pod that is being deleted does not count";
  place(web, 3);
  EXPECT_EQ(allowed(web), "0123");
}

TEST_F(AffinityTest, SpreadCountsOnlyTheNodesItsPoliciesLet) {
  Subject web = pod("web", {.spread = {{.key = kZone, .labels = app("web"), .max_skew = 1}}});
  web.where.selector = {{kZone, "a"}};
  place(web, 0);
  EXPECT_EQ(allowed(web).substr(0, 2), "01") << "zone b is outside its node selector: a is the fewest";
  web.asks.spread[0].honor_affinity = false;
  EXPECT_EQ(allowed(web), "23");
  web.where = {};
  web.asks.spread[0] = {.key = kZone, .labels = app("web"), .max_skew = 1, .honor_taints = true};
  EXPECT_EQ(allowed(web), "23");
  for (const int slot : {2, 3})
    index.set_node(slot, "n" + std::to_string(slot), {{kZone, "b"}}, {{"gone", "", Effect::NoExecute}},
                   false);
  EXPECT_EQ(allowed(web), "0123") << "zone b is tainted, it does not hold the others back";
}

TEST_F(AffinityTest, TooFewDomainsCountAsAnEmptyOne) {
  const Subject web =
      pod("web", {.spread = {{.key = kZone, .labels = app("web"), .max_skew = 1, .min_domains = 3}}});
  place(web, 0);
  place(web, 2);
  EXPECT_EQ(allowed(web), "");
  index.set_node(4, "n4", {{kZone, "c"}}, {}, false);
  EXPECT_EQ(allowed(web), "4");
}

TEST_F(AffinityTest, PlacedPodsMoveWithTheirNodesLabels) {
  const Subject web = pod("web", {.near = {term(kZone, app("cache"))}});
  place(pod("cache"), 0);
  EXPECT_EQ(allowed(web), "01");
  index.set_node(0, "n0", {{kZone, "b"}}, {}, false);
  EXPECT_EQ(allowed(web), "023");
  index.erase_node(0);
  EXPECT_EQ(allowed(web), "");
  index.set_node(0, "n0", {{kZone, "a"}}, {}, false);
  EXPECT_EQ(allowed(web), "01");
}

TEST_F(AffinityTest, PreferencesAddUpToAHundredEach) {
  Affinity asks;
  asks.prefer_nodes = {{{.labels = {{kZone, Op::In, {"a"}}}}, 10},
                       {{.labels = {{kHost, Op::In, {"n0"}}}}, 10}};
  EXPECT_THAT(scores(pod("x", asks), {0, 1, 2}), ::testing::ElementsAre(100, 50, 0));
  asks = {};
  asks.prefer_near = {term(kZone, app("web"))};
  asks.prefer_near[0].weight = 50;
  place(pod("web"), 2);
  EXPECT_THAT(scores(pod("x", asks), {0, 2, 3}), ::testing::ElementsAre(0, 100, 100));
  asks.prefer_apart = {term(kHost, app("web"))};
  asks.prefer_apart[0].weight = 25;
  EXPECT_THAT(scores(pod("x", asks), {0, 2, 3}), ::testing::ElementsAre(0, 50, 100));
  asks = {.spread = {{.key = kZone, .labels = app("web"), .required = false}}};
  EXPECT_THAT(scores(pod("web", asks), {0, 2, 4}), ::testing::ElementsAre(100, 0, 0)) << "node 4 has no zone";
}

TEST_F(AffinityTest, NewcomersPleaseThoseThatRun) {
  Affinity asks;
  asks.prefer_near = {term(kHost, app("x"))};
  asks.prefer_near[0].weight = 10;
  place(pod("friend", asks), 1);
  EXPECT_THAT(scores(pod("x"), {0, 1}), ::testing::ElementsAre(0, 100));
  EXPECT_THAT(scores(pod("y"), {0, 1}), ::testing::ElementsAre(0, 0));
}

TEST_F(AffinityTest, SaysWhatNoNodeCouldSatisfy) {
  EXPECT_EQ(why(pod("x", {.near = {term(kHost, app("web"))}, .apart = {term(kHost, app("web"))}})),
            "no node can satisfy the pod: it must be near pods with app=web and apart from them by the same "
            "kubernetes.io/hostname");
  Subject s = pod("x");
  s.where.affinity = {{{.labels = {{kZone, Op::In, {"a"}}, {kZone, Op::NotIn, {"a"}}}}}};
  EXPECT_EQ(
      contradiction({}, s.where, "ns", {}),
      "no node can satisfy the pod: its required node affinity and node selector ask for zone=a and zone!=a");
  s.where.affinity->push_back({.labels = {{kZone, Op::Exists, {}}}});
  EXPECT_EQ(contradiction({}, s.where, "ns", {}), std::nullopt) << "one term is enough";
  EXPECT_THAT(why(pod("x", {.near = {term(kHost, {{{"a", Op::Exists, {}}, {"a", Op::DoesNotExist, {}}}})}})),
              HasSubstr("its pod affinity asks for pods with a and !a"));
}

TEST_F(AffinityTest, AClusterMayNotHaveAnyNumberOfSelectorsCounted) {
  std::vector<AffinityIndex::Id> ids;
  for (int i = 0; i < 200; ++i) {
    Subject s = pod("x", {.spread = {{.key = kHost, .labels = app("a" + std::to_string(i))}}});
    ids.push_back(index.acquire(s));
    EXPECT_EQ(index.allowed(ids.back(), 0), i < 128) << i;
  }
  EXPECT_THAT(index.explain(ids.back(), std::vector<int>{0}), HasSubstr("at most 128 of pods that wait"));
  EXPECT_EQ(allowed(pod("x", {.spread = {{.key = kHost, .labels = app("a7")}}})), "01234")
      << "what is counted already is no more";
  Subject other = pod("x", {.spread = {{.key = kHost, .labels = app("b")}}});
  other.cluster = "c2";
  EXPECT_EQ(allowed(other), "01234");
  index.release(ids[0]);
  EXPECT_TRUE(index.concerned(ids.back()));
  EXPECT_TRUE(index.allowed(ids.back(), 0)) << "one went, the next may";
}

TEST_F(AffinityTest, NorMayItsPodsAskOthersAnyNumberOfTerms) {
  std::vector<AffinityIndex::Id> ids;
  for (int i = 0; i < 520; ++i)
    ids.push_back(index.acquire(pod("x", {.apart = {term(kHost, app("a" + std::to_string(i)))}})));
  for (int i = 0; i < 512; ++i) index.place(ids[size_t(i)], 4, 1), index.release(ids[size_t(i)]);
  EXPECT_FALSE(index.allowed(ids[515], 0));
  EXPECT_TRUE(index.allowed(index.acquire(pod("y")), 4));
  index.place(ids[0], 4, -1);
  EXPECT_TRUE(index.concerned(ids[515]));
  EXPECT_TRUE(index.allowed(ids[515], 0));
}

TEST(AffinityOf, ReadsThePodAsUpstreamDoes) {
  const auto asks = affinity_of(*api::parse_json(R"({
    "metadata": {"namespace": "ns", "labels": {"app": "web", "hash": "h1"}},
    "spec": {
      "affinity": {
        "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
          {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "cache"}}, "matchLabelKeys": ["hash", "none"]}]},
        "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
          {"weight": 7, "podAffinityTerm": {"topologyKey": "host", "labelSelector": {}, "namespaceSelector": {},
                                            "mismatchLabelKeys": ["hash"]}}]},
        "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
          {"weight": 3, "preference": {"matchExpressions": [{"key": "gpu", "operator": "Exists"}]}}]}},
      "topologySpreadConstraints": [
        {"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "minDomains": 3,
         "labelSelector": {"matchLabels": {"app": "web"}}, "matchLabelKeys": ["hash"], "nodeTaintsPolicy": "Honor"},
        {"maxSkew": 1, "topologyKey": "host", "whenUnsatisfiable": "ScheduleAnyway"}]}})"));
  ASSERT_TRUE(asks);
  ASSERT_EQ(asks->near.size(), 1u);
  EXPECT_EQ(text_of(asks->near[0].labels), "app=cache,hash=h1");
  EXPECT_EQ(asks->near[0].namespaces, std::vector<std::string>{"ns"});
  ASSERT_EQ(asks->prefer_apart.size(), 1u);
  EXPECT_EQ(text_of(asks->prefer_apart[0].labels), "hash!=h1");
  EXPECT_TRUE(asks->prefer_apart[0].namespaces.empty()) << "its selector names the namespaces: all";
  EXPECT_TRUE(asks->prefer_apart[0].namespace_labels);
  EXPECT_EQ(asks->prefer_apart[0].weight, 7);
  EXPECT_EQ(asks->prefer_nodes.at(0).weight, 3);
  ASSERT_EQ(asks->spread.size(), 2u);
  EXPECT_EQ(text_of(asks->spread[0].labels), "app=web,hash=h1");
  EXPECT_EQ(asks->spread[0].min_domains, 3);
  EXPECT_TRUE(asks->spread[0].required && asks->spread[0].honor_taints && asks->spread[0].honor_affinity);
  EXPECT_FALSE(asks->spread[1].required);
  EXPECT_FALSE(asks->spread[1].labels) << "no selector selects nothing";
}

TEST(AffinityOf, BoundsWhatAPodMayAsk) {
  std::string terms;
  for (int i = 0; i < 129; ++i) terms += std::string(i ? "," : "") + R"({"topologyKey":"zone"})";
  const auto asks =
      affinity_of(*api::parse_json(R"({"spec":{"topologySpreadConstraints":[)" + terms + "]}}"));
  EXPECT_EQ(asks.error(), "the pod has 129 affinity terms and topology spread constraints; 128 at most");
  EXPECT_TRUE(affinity_of(*api::parse_json("{}"))->empty());
}

}  // namespace
}  // namespace ingot::scheduler
