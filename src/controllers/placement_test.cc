// Pods, nodes and tenants in a real shard; what placement makes of them.
#include "controllers/placement_testing.h"

namespace ingot::controllers {
namespace {

TEST_P(PlacementTest, APodGetsItsNodeTogetherWithItsAllocation) {
  tenant("vision", "c1");
  node("n1", 2);
  settle();
  pod("a", 1);
  settle();
  EXPECT_EQ(node_of("a"), "n1");
  EXPECT_EQ(api::string_at(scheduled("a"), {"status"}), "True");
  const Json allocation = get(root("allocations.factory.ingot.dev", "c1-uid-a"));
  EXPECT_EQ(
      api::to_text(*api::find(allocation, {"spec"})),
      R"({"tenant":"vision","cluster":"c1","namespace":"default","pod":"a","node":"n1",)"
      R"("devices":[{"uuid":"GPU-n1-0","model":"H100-80GB"}],"cpuMilli":100,"memoryBytes":67108864,)"
      R"("from":"2026-01-02T03:00:00.000000Z","created":"2026-01-02T03:00:00Z","why":"the only node that fits",)"
      R"("work":{"origin":"default/Queue//1"}})");
  EXPECT_EQ(api::string_at(allocation, {"status", "phase"}), "Open");
  EXPECT_EQ(api::string_at(allocation, {"metadata", "labels", "ingot.dev/simulated"}), "true");
  ASSERT_EQ(events().size(), 1u);
  EXPECT_EQ(api::string_at(events()[0], {"message"}),
            "Successfully assigned default/a to n1 with GPU-n1-0: the only node that fits");
  EXPECT_EQ(api::string_at(events()[0], {"involvedObject", "uid"}), "c1-uid-a");
}

TEST_P(PlacementTest, ADeviceIsGivenAgainOnlyOnceReleased) {
  tenant("vision", "c1");
  tenant("speech", "c2");
  node("n1", 1);
  settle();
  pod("a", 1);
  settle();
  pod("b", 1, {}, "c2");
  settle();
  EXPECT_EQ(reason("b", "c2"), "0 of 1 GPU free in pool default, needs 1");
  // The tenant force-deletes its pod: the device is still the sandbox's.
  erase(pod_key("a"));
  f.t.loop.advance(1min);
  settle();
  EXPECT_EQ(node_of("b", "c2"), "");
  const Key key = root("allocations.factory.ingot.dev", "c1-uid-a");
  Json released = get(key);
  api::set(released, {"status", "phase"}, "Released");
  put(key, released);
  settle();
  EXPECT_EQ(node_of("b", "c2"), "n1");
  EXPECT_EQ(devices("b", "c2"), std::vector<std::string>{"GPU-n1-0"});
}

TEST_P(PlacementTest, AWaitingPodSaysWhyAndFollowsTheChange) {
  tenant("vision", "c1");
  node("n1", 2);
  pod("a", 4);
  settle();
  EXPECT_EQ(api::string_at(scheduled("a"), {"reason"}), "Unschedulable");
  EXPECT_EQ(reason("a"), "needs 4 GPUs on one node; the largest node has 2");
  ASSERT_EQ(events().size(), 1u);
  EXPECT_EQ(api::string_at(events()[0], {"reason"}), "FailedScheduling");
  f.t.loop.advance(11s);
  node("n2", 3);
  settle();
  EXPECT_EQ(reason("a"), "needs 4 GPUs on one node; the largest node has 3");
  ASSERT_EQ(events().size(), 1u);
  EXPECT_EQ(api::int_at(events()[0], {"count"}), 2);
  node("n3", 4);
  settle();
  EXPECT_EQ(node_of("a"), "n3");
}

// When a reason was last written is no object's: it is forgotten when the shard opens again.
class PlacementOnce : public PlacementTest {};

TEST_P(PlacementOnce, AReasonChangesAtMostEveryTenSeconds) {
  tenant("vision", "c1");
  node("n1", 1);
  pod("a", 4);
  settle();
  node("n2", 2);
  settle();
  EXPECT_EQ(reason("a"), "needs 4 GPUs on one node; the largest node has 1");
  f.t.loop.advance(10s);
  EXPECT_EQ(reason("a"), "needs 4 GPUs on one node; the largest node has 2");
}

TEST_P(PlacementTest, TheSameReasonIsWrittenOnce) {
  tenant("vision", "c1");
  node("n1", 1);
  pod("a", 4);
  settle();
  const std::string before(api::string_at(get(pod_key("a")), {"metadata", "resourceVersion"}));
  f.t.loop.advance(1h);
  settle();
  EXPECT_EQ(api::string_at(get(pod_key("a")), {"metadata", "resourceVersion"}), before);
}

TEST_P(PlacementTest, LimitsAreTheTenants) {
  tenant("vision", "c1", 1);
  node("n1", 8);
  pod("a", 1);
  settle();
  pod("b", 1);
  settle();
  EXPECT_EQ(reason("b"), "tenant vision is at its limit of 1 GPU, needs 1");
  tenant("vision", "c1", 2);
  settle();
  EXPECT_EQ(node_of("b"), "n1");
}

TEST_P(PlacementTest, PodsWaitForTheirTenantToBeKnown) {
  node("n1", 1);
  pod("a", 1);
  settle();
  EXPECT_EQ(node_of("a"), "");
  tenant("vision", "c1");
  settle();
  EXPECT_EQ(node_of("a"), "n1");
}

TEST_P(PlacementTest, TheOperatorsPodsNeedNoTenant) {
  node("n1", 1);
  pod("a", 1, {}, "root");
  settle();
  EXPECT_EQ(node_of("a", "root"), "n1");
  EXPECT_EQ(api::string_at(get(root("allocations.factory.ingot.dev", "root-uid-a")), {"spec", "tenant"}),
            "root");
}

TEST_P(PlacementTest, AProposedNodeIsAWishThatIsKeptOrWaits) {
  tenant("vision", "c1");
  node("n1", 1);
  node("n2", 8);
  settle();
  pod("a", 1, {{"annotations", JsonObject{{"factory.ingot.dev/proposed-node", "n2"}}}});
  pod("b", 1, {{"annotations", JsonObject{{"factory.ingot.dev/proposed-node", "n9"}}}});
  settle();
  EXPECT_EQ(node_of("a"), "n2");
  EXPECT_EQ(reason("b"), "the proposed node \"n9\" does not exist");
}

TEST_P(PlacementTest, ADeletedPodIsNotPlaced) {
  tenant("vision", "c1");
  pod("a", 1);
  settle();
  Json leaving = get(pod_key("a"));
  api::set(leaving, {"metadata", "deletionTimestamp"}, "2026-01-02T03:00:00Z");
  put(pod_key("a"), leaving);
  node("n1", 1);
  settle();
  EXPECT_EQ(node_of("a"), "");
  EXPECT_EQ(placement->stats().waiting, 0u);
}

TEST_P(PlacementTest, ManyPodsAreAllPlacedOrTold) {
  tenant("vision", "c1");
  node("n1", 8);
  ASSERT_TRUE(f.input([&](store::Turn& turn) {
    for (int i = 0; i < 400; ++i) {
      const std::string name = "p" + std::to_string(i);
      ASSERT_TRUE(turn.put(pod_key(name), pod_object(name, i % 4 == 0 ? 1 : 0)));
    }
  }));
  f.t.loop.advance(1min);
  settle();
  std::set<std::string> held;
  int bound = 0, told = 0;
  for (int i = 0; i < 400; ++i) {
    const std::string name = "p" + std::to_string(i);
    for (const std::string& d : devices(name)) EXPECT_TRUE(held.insert(d).second) << d;
    node_of(name).empty() ? ++told : ++bound;
    if (node_of(name).empty()) EXPECT_NE(reason(name), "");
  }
  EXPECT_EQ(held.size(), 8u);
  EXPECT_EQ(bound, 110);  // the node's places for pods
  EXPECT_EQ(told, 290);
}

TEST_P(PlacementTest, PodsThatKeepApartDoSoInTheirOwnClusterOnly) {
  tenant("vision", "c1");
  tenant("speech", "c2");
  node("n1", 0);
  settle();
  const auto alone = [&](std::string name, std::string cluster) {
    Json pod = pod_object(name, 0, {{"labels", JsonObject{{"app", "web"}}}}, cluster);
    api::set(pod, {"spec", "affinity"}, *api::parse_json(R"({"podAntiAffinity":
        {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "kubernetes.io/hostname",
          "namespaceSelector": {"matchLabels": {"team": "red"}}, "labelSelector": {"matchLabels": {"app": "web"}}}]}})"));
    put(pod_key(name, cluster), std::move(pod));
  };
  const Key space{ClusterId("c1"), "namespaces", "", "default"};
  put(space,
      JsonObject{{"metadata", JsonObject{{"name", "default"}, {"labels", JsonObject{{"team", "red"}}}}}});
  alone("a", "c1");
  settle();
  put(root("nodes", "n1"), [&] {
    Json n = get(root("nodes", "n1"));
    api::set(n, {"metadata", "labels", "kubernetes.io/hostname"}, "n1");
    return n;
  }());
  settle();
  EXPECT_EQ(node_of("a"), "n1");
  alone("b", "c1");
  alone("c", "c2");
  settle();
  EXPECT_EQ(node_of("b"), "");
  EXPECT_EQ(reason("b"),
            "1 of 1 node: pods with app=web in the same kubernetes.io/hostname (its pod anti-affinity)");
  EXPECT_EQ(node_of("c", "c2"), "n1");
  erase(pod_key("a"));  // its container still runs, but it is nobody's neighbour any more
  f.t.loop.advance(20s);
  settle();
  EXPECT_EQ(node_of("b"), "n1");
}

TEST_P(PlacementTest, ABindingWhoseCommitFailsIsMadeAgain) {
  tenant("vision", "c1");
  node("n1", 1);
  settle();
  const Revision before = f.shard->stats().durable;
  ASSERT_TRUE(f.shard->submit([&](store::Turn& turn) { (void)turn.put(pod_key("a"), pod_object("a", 1)); }));
  while (f.shard->stats().durable == before) ASSERT_TRUE(f.t.loop.step());
  f.t.faults.arm("store.commit.fail");  // the next commit is the binding's
  f.t.loop.run_until_idle();
  EXPECT_EQ(f.shard->stats().failed_commits, 1u);
  f.t.loop.advance(10s);
  settle();
  EXPECT_EQ(node_of("a"), "n1");
  EXPECT_EQ(devices("a"), std::vector<std::string>{"GPU-n1-0"});
}

TEST_P(PlacementTest, PlantedBugsAreReal) {
  tenant("vision", "c1");
  node("n1", 2);
  pod("a", 2);
  settle();
  f.t.faults.arm("placement.double_grant");
  pod("b", 2);
  settle();
  EXPECT_EQ(devices("a"), devices("b"));
}

TEST_P(PlacementTest, ThePlantedPartialGangIsVisible) {
  tenant("vision", "c1");
  node("n1", 2);
  settle();
  f.t.faults.arm("scheduler.partial_gang");
  ASSERT_TRUE(f.input([&](store::Turn& turn) {
    for (const char* name : {"w0", "w1"}) ASSERT_TRUE(turn.put(pod_key(name), pod_object(name, 2, gang(2))));
  }));
  settle();
  EXPECT_EQ(node_of("w0"), "n1");
  EXPECT_EQ(node_of("w1"), "");
}

INSTANTIATE_TEST_SUITE_P(Straight, PlacementOnce, testing::Values(false));
INSTANTIATE_TEST_SUITE_P(Runs, PlacementTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "ReopenedBetweenSteps" : "Straight"; });

}  // namespace
}  // namespace ingot::controllers
