// Queues, pools and what tenants may use of them.
#include "controllers/placement_testing.h"

namespace ingot::controllers {
namespace {

class QueuesTest : public PlacementTest {};

TEST_P(QueuesTest, WorkGoesToTheQueueItNamesIfItsTenantMayUseThat) {
  tenant("vision", "c1");
  tenant("speech", "c2");
  node("n1", 8);
  queue("lab", JsonObject{{"tenants", JsonArray{"vision"}}});
  queue("night", JsonObject{{"parent", "lab"}, {"limit", JsonObject{{"gpus", 1}}}});
  settle();
  pod("a", 1, in_queue("night"));
  settle();
  pod("b", 1, in_queue("night"));
  pod("c", 1, in_queue("night"), "c2");
  pod("d", 1, in_queue("speech"), "c2");
  settle();
  EXPECT_EQ(node_of("a"), "n1") << "the queue above lists its tenant";
  EXPECT_EQ(api::string_at(get(root("allocations.factory.ingot.dev", "c1-uid-a")), {"spec", "work", "queue"}),
            "night");
  EXPECT_EQ(reason("b"), "queue night is at its limit of 1 GPU, needs 1");
  EXPECT_EQ(
      reason("c", "c2"),
      "label kueue.x-k8s.io/queue-name names queue \"night\", which does not exist or is not open to tenant "
      "speech: without the label its own queue is used; an operator opens another by listing the tenant in "
      "the Queue's spec.tenants");
  EXPECT_EQ(node_of("d", "c2"), "n1") << "its own leaf goes by its name";
  queue("night", JsonObject{{"tenants", JsonArray{"speech"}}, {"limit", JsonObject{{"gpus", 2}}}});
  f.t.loop.advance(11s);
  settle();
  EXPECT_EQ(node_of("c", "c2"), "n1");
  EXPECT_THAT(reason("b"), HasSubstr("not open to tenant vision"));
  erase(root("queues.factory.ingot.dev", "night"));
  pod("e", 1, in_queue("night"), "c2");
  settle();
  EXPECT_THAT(reason("e", "c2"), HasSubstr("does not exist or is not open"));
}

TEST_P(QueuesTest, ATenantsLeafHangsBelowItsDepartment) {
  queue("lab", JsonObject{{"limit", JsonObject{{"gpus", 1}}}});
  tenant("vision", "c1");
  Json vision = get(root("tenants.factory.ingot.dev", "vision"));
  api::set(vision, {"spec", "queue"}, "lab");
  put(root("tenants.factory.ingot.dev", "vision"), vision);
  node("n1", 8);
  settle();
  pod("a", 2);
  settle();
  EXPECT_EQ(reason("a"), "queue lab may hold 1 GPU at most, needs 2");
  queue("lab", JsonObject{{"limit", JsonObject{{"gpuModels", JsonObject{{"H100-80GB", 2}}}}}});
  settle();
  EXPECT_EQ(node_of("a"), "n1");
}

TEST_P(QueuesTest, ATenantsLimitHoldsOverAllItsQueues) {
  tenant("vision", "c1", 2);
  queue("night", JsonObject{{"tenants", JsonArray{"vision"}}});
  node("n1", 8);
  settle();
  pod("a", 1);
  pod("b", 1, in_queue("night"));
  settle();
  EXPECT_EQ(node_of("a") + node_of("b"), "n1n1");
  pod("c", 1);
  pod("d", 1, in_queue("night"));
  settle();
  for (const char* name : {"c", "d"})
    EXPECT_EQ(reason(name), "tenant vision holds 2 of its limit of 2 GPUs over all its queues, needs 1");
}

TEST_P(QueuesTest, ADedicatedPoolIsOpenToItsTenantsOnly) {
  tenant("vision", "c1");
  tenant("speech", "c2");
  node("n1", 2);
  Json n = get(root("nodes", "n1"));
  api::set(n, {"metadata", "labels", "factory.ingot.dev/pool"}, "big");
  put(root("nodes", "n1"), std::move(n));
  put(root("pools.factory.ingot.dev", "big"),
      JsonObject{{"metadata", JsonObject{{"name", "big"}}},
                 {"spec", JsonObject{{"dedicated", true}, {"tenants", JsonArray{"speech"}}}}});
  settle();
  pod("a", 1);
  pod("b", 1, {}, "c2");
  settle();
  EXPECT_EQ(node_of("a"), "");
  EXPECT_EQ(node_of("b", "c2"), "n1");
  erase(root("pools.factory.ingot.dev", "big"));
  settle();
  EXPECT_EQ(node_of("a"), "n1");
}

// A tenant's own scheduler proposes nodes; its limits and the pools' doors hold for it as for everybody.
TEST_P(QueuesTest, ATenantsOwnSchedulerPlacesWithinItsLimits) {
  tenant("vision", "c1", 1);
  node("n1", 4);
  node("n2", 4);
  Json n = get(root("nodes", "n2"));
  api::set(n, {"metadata", "labels", "factory.ingot.dev/pool"}, "big");
  put(root("nodes", "n2"), std::move(n));
  put(root("pools.factory.ingot.dev", "big"),
      JsonObject{{"metadata", JsonObject{{"name", "big"}}}, {"spec", JsonObject{{"dedicated", true}}}});
  settle();
  for (const char* name : {"a", "b", "c"}) {
    Json own = pod_object(name, 1);
    api::set(own, {"spec", "schedulerName"}, "mine");
    put(pod_key(name), std::move(own));
  }
  settle();
  EXPECT_EQ(node_of("a") + node_of("b") + node_of("c"), "") << "nobody has proposed anything";
  EXPECT_EQ(reason("a"), "") << "it is not ours to say why they wait";
  const auto propose = [&](std::string_view name, std::string_view to) {
    Json own = get(pod_key(std::string(name)));
    api::set(own, {"metadata", "annotations", scheduler::kProposedNode}, to);
    put(pod_key(std::string(name)), std::move(own));
    settle();
  };
  propose("c", "n2");
  EXPECT_EQ(node_of("c"), "");
  EXPECT_NE(reason("c"), "");
  propose("a", "n1");
  EXPECT_EQ(node_of("a"), "n1");
  propose("b", "n1");
  EXPECT_EQ(node_of("b"), "");
  EXPECT_EQ(reason("b"), "tenant vision is at its limit of 1 GPU, needs 1");
}

// --- what was held lately ---

class UsageTest : public PlacementTest {
 protected:
  void tenant_below(std::string name, std::string cluster, std::string_view above) {
    tenant(name, std::move(cluster));
    Json object = get(root("tenants.factory.ingot.dev", name));
    api::set(object, {"spec", "queue"}, above);
    put(root("tenants.factory.ingot.dev", name), std::move(object));
  }
  Json status(std::string_view queue) {
    const Json object = get(root("queues.factory.ingot.dev", queue));
    const Json* status = api::find(object, {"status"});
    return status ? *status : Json(JsonObject{});
  }
  std::string used(std::string_view queue) {
    return std::string(api::string_at(status(queue), {"used", "gpus"}));
  }
  int64_t decayed(const Json& status) { return api::int_at(status, {"decayed", "gpuMilli"}).value_or(-1); }
  // One that has not waited so long that nodes are kept for it.
  void fresh(std::string name, std::string cluster) {
    Json object = pod_object(name, 2, {}, cluster);
    api::set(object, {"metadata", "creationTimestamp"}, to_rfc3339(f.t.clock.wall()));
    put(pod_key(name, cluster), std::move(object));
  }
  void ends(std::string_view name, std::string cluster = "c1") {
    erase(pod_key(name, cluster));
    erase(root("allocations.factory.ingot.dev", cluster + "-uid-" + std::string(name)));
  }
};

TEST_P(UsageTest, AQueueSaysWhatIsHeldAtARateThatIsBounded) {
  queue("lab", JsonObject{});
  tenant_below("vision", "c1", "lab");
  node("n1", 8);
  f.t.loop.advance(11s);
  settle();
  EXPECT_EQ(used("lab"), "0");
  EXPECT_EQ(decayed(status("lab")), -1) << "without a half-life nothing is averaged";
  f.t.loop.advance(11s);
  pod("a", 2);
  f.t.loop.run_until_idle();
  pod("b", 1);
  f.t.loop.run_until_idle();
  f.t.loop.advance(11s);
  settle();
  EXPECT_EQ(api::to_text(*api::find(status("lab"), {"used"})),
            R"({"gpus":"3","gpuModels":{"H100-80GB":"3"},"cpu":"200m","memory":"128Mi"})");
  const Json written = get(root("queues.factory.ingot.dev", "lab"));
  f.t.loop.advance(1h);
  settle();
  EXPECT_EQ(get(root("queues.factory.ingot.dev", "lab")), written) << "nothing has changed";
}

TEST_P(UsageTest, NoQueueIsWrittenTwiceInTenSeconds) {
  queue("lab", JsonObject{});
  tenant_below("vision", "c1", "lab");
  node("n1", 8);
  f.t.loop.advance(30s);
  pod("a", 1);
  f.t.loop.run_until_idle();
  ASSERT_EQ(used("lab"), "1");
  pod("b", 1);
  f.t.loop.run_until_idle();
  f.t.loop.advance(9s);
  EXPECT_EQ(node_of("b"), "n1");
  EXPECT_EQ(used("lab"), "1");
  f.t.loop.advance(2s);
  EXPECT_EQ(used("lab"), "2");
}

TEST_P(UsageTest, WhoHeldMuchLatelyComesLaterAlsoAfterARestart) {
  queue("lab", JsonObject{{"halfLife", "1h"}});
  tenant_below("vision", "c1", "lab");
  tenant_below("speech", "c2", "lab");
  node("n1", 2);
  f.t.loop.advance(11s);
  settle();
  pod("first", 2);
  settle();
  ASSERT_EQ(node_of("first"), "n1");
  f.t.loop.advance(1h);
  settle();
  fresh("mine", "c1");
  fresh("theirs", "c2");
  f.t.loop.advance(11s);
  settle();
  ends("first");
  settle();
  EXPECT_EQ(node_of("theirs", "c2"), "n1") << "vision had all of it for an hour";
  EXPECT_EQ(node_of("mine"), "");
  f.t.loop.advance(11s);
  settle();
  const Json vision = get(root("tenants.factory.ingot.dev", "vision"));
  EXPECT_NEAR(decayed(*api::find(vision, {"status"})), 1000, 20)
      << "half of two GPUs: its leaf has the half-life of what is above";
  EXPECT_GE(decayed(status("lab")), 0);
}

INSTANTIATE_TEST_SUITE_P(Runs, UsageTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "ReopenedBetweenSteps" : "Straight"; });

INSTANTIATE_TEST_SUITE_P(Runs, QueuesTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "ReopenedBetweenSteps" : "Straight"; });

}  // namespace
}  // namespace ingot::controllers
