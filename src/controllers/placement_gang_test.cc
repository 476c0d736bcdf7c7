// Gangs: all of their pods or none.
#include "controllers/placement_testing.h"

namespace ingot::controllers {
namespace {

class GangTest : public PlacementTest {
 protected:
  void member(std::string name, JsonObject annotations = {}, int gpus = 2, JsonObject labels = {}) {
    labels[scheduler::kGangLabel] = "train";
    pod(name, gpus, {{"labels", std::move(labels)}, {"annotations", std::move(annotations)}});
  }
  void group(int64_t least) {
    put({ClusterId("c1"), "podgroups.scheduling.x-k8s.io", "default", "train"},
        JsonObject{{"metadata", JsonObject{{"name", "train"}}}, {"spec", JsonObject{{"minMember", least}}}});
  }
};

TEST_P(GangTest, AGangWaitsForItsPodsAndForRoomForAll) {
  tenant("vision", "c1");
  node("n1", 2);
  pod("w0", 2, gang(2));
  settle();
  EXPECT_EQ(reason("w0"), "1 of 2 pods of gang train exist");
  pod("w1", 2, gang(2));
  f.t.loop.advance(11s);
  settle();
  EXPECT_EQ(reason("w0"), "gang train needs 4 GPUs together; the factory has 2");
  EXPECT_EQ(node_of("w0") + node_of("w1"), "");
  node("n2", 2);
  settle();
  EXPECT_EQ(node_of("w0"), "n1");
  EXPECT_EQ(node_of("w1"), "n2");
  // One of them is made again: the rest is still there.
  erase(pod_key("w1"));
  erase(root("allocations.factory.ingot.dev", "c1-uid-w1"));
  settle();
  pod("w1", 2, gang(2));
  settle();
  EXPECT_EQ(node_of("w1"), "n2");
}

TEST_P(GangTest, AGangsTopologyIsReadFromKueuesAnnotations) {
  tenant("vision", "c1");
  for (const char* name : {"n1", "n2", "n3"}) {
    node(name, 2);
    Json n = get(root("nodes", name));
    api::set(n, {"metadata", "labels", "cloud.provider.com/topology-rack"},
             name == std::string("n1") ? "r1" : "r2");
    put(root("nodes", name), std::move(n));
  }
  settle();
  const auto member = [&](std::string name, int index, std::string gang_name, const char* level) {
    JsonObject metadata = gang(2);
    metadata["labels"] = JsonObject{{scheduler::kGangLabel, gang_name},
                                    {"batch.kubernetes.io/job-completion-index", std::to_string(index)}};
    metadata["annotations"].as_object()["kueue.x-k8s.io/podset-required-topology"] = level;
    pod(name, 2, metadata);
  };
  member("first", 1, "g", "cloud.provider.com/topology-rack");
  member("second", 0, "g", "cloud.provider.com/topology-rack");
  settle();
  EXPECT_EQ(node_of("second"), "n2") << "rank 0 comes first";
  EXPECT_EQ(node_of("first"), "n3");
  member("x", 0, "h", "rack");
  member("y", 1, "h", "rack");
  settle();
  EXPECT_THAT(reason("x"),
              HasSubstr("podset-required-topology names \"rack\", which is no level of the topology"));
}

TEST_P(GangTest, APodGroupSaysHowManyMustRun) {
  tenant("vision", "c1");
  node("n1", 4);
  group(3);
  member("w0");
  member("w1");
  f.t.loop.advance(11s);
  settle();
  EXPECT_EQ(reason("w0"), "2 of 3 pods of gang train exist");
  member("w2");
  f.t.loop.advance(11s);
  settle();
  EXPECT_EQ(node_of("w0") + node_of("w1") + node_of("w2"), "");
  EXPECT_EQ(reason("w0"), "gang train needs 6 GPUs together; the factory has 4");
  group(2);
  settle();
  EXPECT_EQ(node_of("w0") + node_of("w1") + node_of("w2"), "n1n1") << "of an elastic gang as many as fit";
}

TEST_P(GangTest, WhatContradictsItselfWaitsAndBlocksNobody) {
  tenant("vision", "c1");
  node("n1", 4);
  queue("night", JsonObject{{"tenants", JsonArray{"vision"}}});
  settle();
  member("w0", {{scheduler::kGangSize, "2"}, {scheduler::kGangMin, "3"}});
  member("w1", {{scheduler::kGangSize, "2"}});
  f.t.loop.advance(11s);
  settle();
  for (const char* name : {"w0", "w1"})
    EXPECT_EQ(reason(name),
              "annotation factory.ingot.dev/gang-min asks for 3 pods at least, and its gang is of 2");
  pod("other", 2);
  settle();
  EXPECT_EQ(node_of("other"), "n1");
  member("w0", {{scheduler::kGangSize, "2"}});
  member("w1", {{scheduler::kGangSize, "2"}}, 2, {{scheduler::kQueueLabel, "night"}});
  f.t.loop.advance(11s);
  settle();
  EXPECT_EQ(reason("w0"),
            "pods of gang train have different queues (its tenant's own, night): give all of them the same");
  member("w1", {{scheduler::kGangSize, "2"}});
  Json w1 = get(pod_key("w1"));
  api::set(w1, {"spec", "priority"}, 7);
  put(pod_key("w1"), w1);
  f.t.loop.advance(11s);
  settle();
  EXPECT_EQ(reason("w1"), "pods of gang train have different priorities (0, 7): give all of them the same");
}

TEST_P(GangTest, ASizeWithoutAGangIsNoSize) {
  tenant("vision", "c1");
  node("n1", 4);
  settle();
  pod("a", 1, {{"annotations", JsonObject{{scheduler::kGangSize, "2"}}}});
  settle();
  EXPECT_EQ(node_of("a"), "");
  EXPECT_THAT(reason("a"), HasSubstr("no label scheduling.x-k8s.io/pod-group says which"));
}

// Its pods are made again while the old ones still end: those hold their devices, but no place in the gang.
TEST_P(GangTest, WhoIsBeingDeletedIsNoMemberOfItsSuccessors) {
  tenant("vision", "c1");
  node("n1", 4);
  settle();
  group(2);
  member("w0");
  member("w1");
  settle();
  ASSERT_EQ(node_of("w0") + node_of("w1"), "n1n1");
  for (const char* name : {"w0", "w1"}) {
    Json leaving = get(pod_key(name));
    api::set(leaving, {"metadata", "deletionTimestamp"}, "2026-01-02T03:00:00Z");
    put(pod_key(name), leaving);
  }
  member("x0");
  member("x1");
  settle();
  const Key key = root("allocations.factory.ingot.dev", "c1-uid-w0");
  Json released = get(key);
  api::set(released, {"status", "phase"}, "Released");
  put(key, released);
  erase(pod_key("w0"));
  settle();
  EXPECT_EQ(node_of("x0") + node_of("x1"), "") << "room for one is no room for the gang";
  erase(pod_key("w1"));
  erase(root("allocations.factory.ingot.dev", "c1-uid-w1"));
  settle();
  EXPECT_EQ(node_of("x0") + node_of("x1"), "n1n1");
}

INSTANTIATE_TEST_SUITE_P(Runs, GangTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "ReopenedBetweenSteps" : "Straight"; });

}  // namespace
}  // namespace ingot::controllers
