#include "scheduler/topology.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "scheduler/topology_choice.h"

namespace ingot::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Mode = TopologyAsk::Mode;

constexpr int kZone = 0, kBlock = 1, kRack = 2;

Labels at(const std::string& block, const std::string& rack) {
  return {{"cloud.provider.com/topology-block", block}, {"cloud.provider.com/topology-rack", rack}};
}

// Two blocks: b1 with the racks r1 (nodes 0, 1) and r2 (2, 3), b2 with a rack r1 of its own (4, 5).
TopologyTree two_blocks() {
  TopologyTree tree;
  tree.set_node(5, "n5", at("b2", "r1"));
  tree.set_node(0, "n0", at("b1", "r1"));
  tree.set_node(3, "n3", at("b1", "r2"));
  tree.set_node(1, "n1", at("b1", "r1"));
  tree.set_node(4, "n4", at("b2", "r1"));
  tree.set_node(2, "n2", at("b1", "r2"));
  return tree;
}

std::expected<std::vector<int>, std::string> choose(const TopologyTree& tree, const TopologyAsk& ask,
                                                    int pods, const std::vector<int32_t>& fit,
                                                    const std::vector<int32_t>& islands = {}) {
  return TopologyChoice(tree, ask, pods, {fit, islands}).best();
}

TEST(Topology, OrdersNodesAlongTheirPlacesWhateverOrderTheyArrivedIn) {
  TopologyTree tree = two_blocks();
  EXPECT_THAT(tree.order(), ElementsAre(0, 1, 2, 3, 4, 5));
  ASSERT_EQ(tree.runs(kRack + 1).size(), 3u);
  EXPECT_EQ(tree.name(kRack + 1, 1), "b1/r2");
  EXPECT_EQ(tree.name(kRack + 1, 2), "b2/r1") << "a rack of the same name in another block is another rack";
  tree.erase_node(2);
  tree.set_node(3, "n3", at("b2", "r9"));
  EXPECT_THAT(tree.order(), ElementsAre(0, 1, 4, 5, 3));
}

TEST(Topology, KnowsLevelsByEveryNameSitesWrite) {
  const TopologyTree tree;
  EXPECT_EQ(tree.find_level("topology.kubernetes.io/zone"), kZone);
  EXPECT_EQ(tree.find_level("cloud.provider.com/topology-rack"), kRack);
  EXPECT_EQ(tree.find_level("network.topology.nvidia.com/leaf"), kRack);
  EXPECT_EQ(tree.find_level("kubernetes.io/hostname"), tree.host());
  EXPECT_EQ(tree.find_level(kIslandLevel), tree.island());
  EXPECT_EQ(tree.find_level("rack"), std::nullopt);
}

TEST(Topology, RequiredTakesTheDomainWithTheLeastLeftOver) {
  const TopologyTree tree = two_blocks();
  const TopologyAsk ask{.mode = Mode::Required, .level = kRack};
  EXPECT_THAT(*choose(tree, ask, 4, {4, 4, 2, 3, 4, 2}), ElementsAre(2, 3, 3, 3))
      << "r2 fits 5, r1 8, b2/r1 6";
  EXPECT_THAT(*choose(tree, ask, 6, {4, 4, 2, 3, 4, 2}), ElementsAre(4, 4, 4, 4, 5, 5));
  EXPECT_THAT(*choose(tree, ask, 2, {2, 0, 2, 0, 2, 0}), ElementsAre(0, 0)) << "alike: the first by name";
}

TEST(Topology, RequiredThatNoDomainHoldsSaysWhatTheLargestHolds) {
  const TopologyTree tree = two_blocks();
  const auto none = choose(tree, {.mode = Mode::Required, .level = kRack}, 16, {8, 4, 2, 2, 4, 2});
  EXPECT_EQ(none.error(), "needs 16 pods in one rack; the largest rack fits 12");
  const auto unlabelled = choose(tree, {.mode = Mode::Required, .level = kZone}, 1, {8, 4, 2, 2, 4, 2});
  EXPECT_EQ(unlabelled.error(), "needs 1 pod; no node has the label of a zone, topology.kubernetes.io/zone");
  EXPECT_EQ(choose(TopologyTree(), {}, 1, {}).error(), "needs 1 pod; the factory has no node");
  EXPECT_EQ(choose(tree, {}, 9, {1, 1, 1}).error(), "needs 9 pods; the nodes fit 3");
}

TEST(Topology, ANodeWithoutTheLabelIsInNoDomainOfThatLevel) {
  TopologyTree tree = two_blocks();
  tree.set_node(6, "n6", {});
  const std::vector<int32_t> fit{1, 1, 1, 1, 1, 1, 8};
  EXPECT_EQ(choose(tree, {.mode = Mode::Required, .level = kRack}, 8, fit).error(),
            "needs 8 pods in one rack; the largest rack fits 2");
  EXPECT_THAT(*choose(tree, {.mode = Mode::Required, .level = tree.host()}, 8, fit),
              ElementsAre(6, 6, 6, 6, 6, 6, 6, 6));
  EXPECT_FALSE(choose(tree, {.group = 8, .group_level = kRack}, 8, fit)) << "nor for groups in a rack";
}

TEST(Topology, PreferredWidensLevelByLevel) {
  const TopologyTree tree = two_blocks();
  const TopologyAsk ask{.mode = Mode::Preferred, .level = kRack};
  EXPECT_THAT(*choose(tree, ask, 4, {2, 2, 1, 2, 2, 1}), ElementsAre(0, 0, 1, 1)) << "one rack";
  EXPECT_THAT(*choose(tree, ask, 5, {2, 2, 1, 2, 2, 1}), ElementsAre(0, 0, 1, 1, 2)) << "one block";
  EXPECT_THAT(*choose(tree, ask, 9, {2, 2, 1, 2, 2, 1}), ElementsAre(0, 0, 1, 1, 2, 3, 3, 4, 4))
      << "the whole of the largest block, and where the rest fits with the least left over";
}

TEST(Topology, WithoutAskAGangStillStandsCloseOnFewNodes) {
  const TopologyTree tree = two_blocks();
  EXPECT_THAT(*choose(tree, {}, 4, {3, 3, 3, 4, 8, 8}), ElementsAre(3, 3, 3, 3));
  EXPECT_THAT(*choose(tree, {}, 5, {3, 3, 2, 4, 8, 1}), ElementsAre(4, 4, 4, 4, 4));
}

TEST(Topology, GroupsStayTogetherAndNeighboursInRankStandClose) {
  const TopologyTree tree = two_blocks();
  const TopologyAsk pairs{.mode = Mode::Required, .level = kBlock, .group = 2, .group_level = tree.host()};
  EXPECT_THAT(*choose(tree, pairs, 6, {3, 3, 2, 0, 3, 3}), ElementsAre(0, 0, 1, 1, 2, 2));
  EXPECT_EQ(choose(tree, pairs, 8, {3, 3, 2, 1, 3, 3}).error(),
            "needs 4 groups of 2 pods, each in one node, all in one block; the largest block fits 3 of these "
            "groups");
  EXPECT_THAT(*choose(tree, {.group = 4, .group_level = kRack}, 8, {2, 3, 2, 1, 2, 2}),
              ElementsAre(0, 1, 1, 1, 4, 4, 5, 5))
      << "r1 fits 5: one group";
  EXPECT_EQ(choose(tree, {.group = 8, .group_level = tree.host()}, 8, {4, 7}).error(),
            "needs 8 pods in one node; the largest node fits 7");
}

TEST(Topology, TheLastGroupMayBeSmallerAndTakesWhatGroupsLeave) {
  const TopologyTree tree = two_blocks();
  const TopologyAsk ask{.group = 4, .group_level = tree.host()};
  EXPECT_THAT(*choose(tree, ask, 6, {4, 1, 2, 0, 0, 2}), ElementsAre(0, 0, 0, 0, 2, 2));
  EXPECT_EQ(choose(tree, ask, 6, {4, 1, 0, 0, 0, 1}).error(),
            "needs 1 group of 4 pods and one of 2, each in one node; the nodes fit 1 of these groups");
}

TEST(Topology, GroupsInAnIslandOfANodeAreCountedByTheIsland) {
  const TopologyTree tree = two_blocks();
  const TopologyAsk fours{.group = 4, .group_level = tree.island()};
  EXPECT_THAT(*choose(tree, fours, 8, {6, 8, 4}, {0, 2, 1}), ElementsAre(1, 1, 1, 1, 1, 1, 1, 1));
  EXPECT_EQ(choose(tree, {.mode = Mode::Required, .level = tree.island()}, 4, {6}, {0}).error(),
            "needs 4 pods in one NVLink island; no node has one with that many free GPUs");
  EXPECT_THAT(*choose(tree, {.mode = Mode::Required, .level = tree.island()}, 2, {6, 2}, {0, 1}),
              ElementsAre(1, 1));
}

TEST(Topology, OffersTheNextDomainsForGangsOfSeveralShapes) {
  const TopologyTree tree = two_blocks();
  const std::vector<int32_t> fit{2, 2, 1, 1, 2, 1};
  const TopologyChoice choice(tree, {.mode = Mode::Required, .level = kRack}, 2, {fit, {}});
  const auto domains = choice.domains(8);
  ASSERT_EQ(domains.size(), 3u);
  EXPECT_EQ(tree.name(domains[0].depth, domains[0].run), "b1/r2");
  EXPECT_THAT(*choice.place(domains[1]), ElementsAre(4, 4));
  EXPECT_EQ(choice.domains(1).size(), 1u);
}

TEST(TopologyAnnotations, AreKueues) {
  const TopologyTree tree;
  const auto ask = [&](const Labels& annotations) { return topology_ask(annotations, 8, tree); };
  const std::string required(kRequiredTopology), preferred(kPreferredTopology), slice(kSliceTopology),
      size(kSliceSize), rack = "cloud.provider.com/topology-rack", host = "kubernetes.io/hostname";
  EXPECT_EQ(ask({})->mode, Mode::None);
  EXPECT_EQ(*ask({{required, rack}, {slice, host}, {size, "4"}}),
            (TopologyAsk{Mode::Required, kRack, 4, tree.host()}));
  EXPECT_EQ(ask({{preferred, rack}})->mode, Mode::Preferred);
  EXPECT_THAT(ask({{required, "rack"}}).error(),
              HasSubstr("podset-required-topology names \"rack\", which is no level"));
  EXPECT_THAT(ask({{required, rack}, {preferred, rack}}).error(), HasSubstr("exclude each other"));
  EXPECT_THAT(ask({{slice, host}}).error(), HasSubstr("add kueue.x-k8s.io/podset-slice-size"));
  EXPECT_THAT(ask({{size, "4"}}).error(), HasSubstr("add kueue.x-k8s.io/podset-slice-required-topology"));
  for (const char* bad : {"0", "9", "-1", "four", "4x"})
    EXPECT_THAT(ask({{slice, host}, {size, bad}}).error(), HasSubstr("from 1 to the gang's 8 pods")) << bad;
  EXPECT_THAT(ask({{required, host}, {slice, rack}, {size, "4"}}).error(),
              HasSubstr("names a broader level"));
}

TEST(TopologyRank, ComesFromTheIndexLabelElseFromTheName) {
  EXPECT_EQ(rank_of({{"batch.kubernetes.io/job-completion-index", "7"}}, "train-3-x8f2k"), 7);
  EXPECT_EQ(rank_of({{"apps.kubernetes.io/pod-index", "2"}}, "web-9"), 2);
  EXPECT_EQ(rank_of({}, "train-worker-11"), 11);
  EXPECT_EQ(rank_of({}, "train-x8f2k"), std::nullopt);
  EXPECT_EQ(rank_of({}, "plain"), std::nullopt);
  const auto in_set = [](const char* job, const char* index) {
    return *rank_of(
        {{"jobset.sigs.k8s.io/job-global-index", job}, {"batch.kubernetes.io/job-completion-index", index}},
        "p");
  };
  EXPECT_LT(in_set("0", "9"), in_set("1", "0"));
}

// Random factories and asks, against definitions written the slow way.
struct Slow {
  std::vector<std::array<std::string, 3>> path;  // zone, block, rack of a slot; "" none
  std::vector<int32_t> fit;

  // The domain of a node at a level, "" if it is in none.
  std::string domain(int slot, int level) const {
    if (level == 4) return "n" + std::to_string(slot);
    if (path[size_t(slot)][size_t(level)].empty()) return "";
    std::string out;
    for (int i = 0; i <= level; ++i) out += "/" + path[size_t(slot)][size_t(i)];
    return out;
  }
  // Whether the nodes of one domain (level -1: all) hold the gang, group by group.
  bool holds(int level, const std::string& name, int pods, int group, int group_level) const {
    std::map<std::string, int> parts;
    int total = 0;
    for (int s = 0; s < int(fit.size()); ++s) {
      if (level >= 0 && domain(s, level) != name) continue;
      total += fit[size_t(s)];
      if (const std::string part = domain(s, group_level); !part.empty()) parts[part] += fit[size_t(s)];
    }
    int groups = 0, rest = 0;
    for (const auto& [part, n] : parts) {
      groups += n / group;
      rest = std::max(rest, n % group);
    }
    const int whole = pods / group, last = pods % group;
    return total >= pods && (groups > whole || (groups == whole && rest >= last));
  }
};

TEST(TopologyProperty, ChoicesKeepTheirPromisesAndAreMadeWheneverThereIsOne) {
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const auto below = [&](int n) { return int(random() % uint64_t(n)); };
    Slow slow;
    TopologyTree tree;
    const int nodes = 1 + below(14);
    for (int s = 0; s < nodes; ++s) {
      const auto value = [&](const char* prefix, int n) {
        return below(7) == 0 ? "" : prefix + std::to_string(below(n));
      };
      slow.path.push_back({value("z", 2), value("b", 2), value("r", 3)});
      slow.fit.push_back(below(6));
      Labels labels;
      for (int l = 0; l < 3; ++l)
        if (!slow.path.back()[size_t(l)].empty()) labels[tree.level(l).keys[0]] = slow.path.back()[size_t(l)];
      tree.set_node(s, "n" + std::to_string(s), labels);
    }
    static constexpr int kLevels[] = {0, 1, 2, 4};
    TopologyAsk ask{
        .mode = Mode(below(3)), .level = kLevels[below(4)], .group = 1 + below(4), .group_level = 4};
    if (below(3) == 0) ask.group_level = kLevels[below(4)];
    if (ask.mode == Mode::Required) ask.group_level = std::max(ask.level, ask.group_level);
    const int pods = 1 + below(20);
    const int group_level = ask.group == 1 ? 4 : ask.group_level;

    const auto level_holds = [&](int level) {
      for (int s = 0; s < nodes; ++s)
        if (const std::string d = slow.domain(s, level);
            !d.empty() && slow.holds(level, d, pods, ask.group, group_level))
          return true;
      return false;
    };
    const auto slots = choose(tree, ask, pods, slow.fit);
    const bool possible = ask.mode == Mode::Required ? level_holds(ask.level)
                                                     : slow.holds(-1, "", pods, ask.group, group_level);
    ASSERT_EQ(slots.has_value(), possible) << (slots ? "" : slots.error());
    if (!slots) continue;
    ASSERT_EQ(int(slots->size()), pods);
    std::vector<int> used(size_t(nodes), 0);
    for (const int s : *slots) ASSERT_LE(++used[size_t(s)], slow.fit[size_t(s)]) << "more than fits";
    for (int first = 0; first < pods; first += ask.group)
      for (int i = first; i < std::min(pods, first + ask.group); ++i) {
        ASSERT_EQ(slow.domain((*slots)[size_t(i)], group_level),
                  slow.domain((*slots)[size_t(first)], group_level));
        ASSERT_NE(slow.domain((*slots)[size_t(i)], group_level), "");
      }
    // One domain of the level required; of the narrowest level at or above the preferred that can hold it.
    const auto one_domain = [&](int level) {
      const std::string first = slow.domain(slots->front(), level);
      return !first.empty() &&
             std::ranges::all_of(*slots, [&](int s) { return slow.domain(s, level) == first; });
    };
    if (ask.mode == Mode::Required) ASSERT_TRUE(one_domain(ask.level));
    if (ask.mode != Mode::Preferred) continue;
    for (int level = ask.level; level >= 0; --level) {
      if (level == 3 || !level_holds(level)) continue;
      ASSERT_TRUE(one_domain(level));
      break;
    }
  }
}

}  // namespace
}  // namespace ingot::scheduler
