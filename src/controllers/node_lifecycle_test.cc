#include "controllers/node_lifecycle.h"

#include <gmock/gmock.h>

#include "controllers/node_health.h"
#include "store/reopened_testing.h"

namespace ingot::controllers {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::Key;
using namespace std::chrono_literals;

// --- pure ---

Json tainted(std::string_view key, std::string_view added) {
  return JsonObject{
      {"spec", JsonObject{{"taints", JsonArray{JsonObject{
                                         {"key", key}, {"effect", "NoExecute"}, {"timeAdded", added}}}}}}};
}
Json tolerating(std::vector<JsonObject> tolerations) {
  JsonArray list(tolerations.begin(), tolerations.end());
  return JsonObject{{"spec", JsonObject{{"containers", JsonArray{}}, {"tolerations", list}}}};
}

TEST(EvictionTime, IsTheShortestTolerationOfEachTaint) {
  const Json node = tainted("node.kubernetes.io/unreachable", "2026-01-02T03:00:00Z");
  const WallTime added = *parse_rfc3339("2026-01-02T03:00:00Z");
  EXPECT_EQ(eviction_time(node, tolerating({})), added);
  EXPECT_EQ(eviction_time(node, tolerating({{{"operator", "Exists"}, {"tolerationSeconds", 300}}})),
            added + 300s);
  EXPECT_EQ(eviction_time(node, tolerating({{{"operator", "Exists"}}})), std::nullopt);
  EXPECT_EQ(eviction_time(node, tolerating({{{"operator", "Exists"}},
                                            {{"key", "node.kubernetes.io/unreachable"},
                                             {"operator", "Exists"},
                                             {"tolerationSeconds", 5}}})),
            added + 5s);
  EXPECT_EQ(eviction_time(node, tolerating({{{"key", "other"}, {"operator", "Exists"}}})), added);
  EXPECT_EQ(eviction_time(Json(JsonObject{}), tolerating({})), std::nullopt);
}

// --- over a shard; also with the shard opened again between steps ---

class NodeLifecycleTest : public store::Reopened<NodeLifecycle> {
 protected:
  WallTime start = f.t.clock.wall();

  static Key node_key() { return {kRootCluster, "nodes", "", "n1"}; }
  static Key lease_key() { return {kRootCluster, "leases.coordination.k8s.io", "kube-node-lease", "n1"}; }
  static Key pod_key(std::string_view name) { return {ClusterId("c1"), "pods", "default", name}; }
  static Key allocation_key(std::string_view name) {
    return {kRootCluster, "allocations.factory.ingot.dev", "", "uid-" + std::string(name)};
  }
  void renew() {
    put(lease_key(), JsonObject{{"spec", JsonObject{{"renewTime", to_rfc3339_micro(f.t.clock.wall())}}}});
  }
  // The agent lives for so long.
  void beat(Duration time) {
    for (Duration t{}; t < time; t += 10s) {
      renew();
      f.t.loop.advance(10s);
    }
  }
  void node() {
    put(node_key(),
        JsonObject{{"metadata", JsonObject{{"name", "n1"}}},
                   {"status", JsonObject{{"conditions",
                                          JsonArray{JsonObject{{"type", "Ready"}, {"status", "True"}}}}}}});
    renew();
  }
  void pod(std::string name, std::optional<int64_t> toleration_s) {
    JsonObject toleration{{"operator", "Exists"}, {"effect", "NoExecute"}};
    if (toleration_s) toleration["tolerationSeconds"] = *toleration_s;
    put(pod_key(name),
        JsonObject{{"apiVersion", "v1"},
                   {"kind", "Pod"},
                   {"metadata", JsonObject{{"name", name}, {"namespace", "default"}, {"uid", "uid-" + name}}},
                   {"spec", JsonObject{{"nodeName", "n1"},
                                       {"terminationGracePeriodSeconds", 30},
                                       {"containers", JsonArray{JsonObject{{"name", "c"}}}},
                                       {"tolerations", JsonArray{toleration}}}},
                   {"status", JsonObject{{"phase", "Running"},
                                         {"conditions",
                                          JsonArray{JsonObject{{"type", "Ready"}, {"status", "True"}}}}}}});
    put(allocation_key(name), JsonObject{{"metadata", JsonObject{{"name", "uid-" + name}}},
                                         {"spec", JsonObject{{"cluster", "c1"},
                                                             {"namespace", "default"},
                                                             {"pod", name},
                                                             {"node", "n1"},
                                                             {"from", to_rfc3339_micro(start)}}},
                                         {"status", JsonObject{{"phase", "Open"}}}});
  }
  std::string condition(const Json& object, std::string_view type) {
    for (const Json& c : api::array_at(object, {"status", "conditions"}))
      if (api::string_at(c, {"type"}) == type) return std::string(api::string_at(c, {"status"}));
    return "";
  }
  std::string taints() {
    std::string out;
    for (const Json& t : api::array_at(get(node_key()), {"spec", "taints"}))
      out += std::string(api::string_at(t, {"key"})) + ":" + std::string(api::string_at(t, {"effect"})) + " ";
    return out;
  }
  bool leaving(std::string_view name) {
    return api::find(get(pod_key(name)), {"metadata", "deletionTimestamp"});
  }
  std::string phase(std::string_view name) {
    return std::string(api::string_at(get(allocation_key(name)), {"status", "phase"}));
  }
};

TEST_P(NodeLifecycleTest, ARenewedLeaseKeepsANodeReady) {
  node();
  settle();
  beat(5min);
  settle();
  EXPECT_EQ(condition(get(node_key()), "Ready"), "True");
  EXPECT_EQ(taints(), "");
}

TEST_P(NodeLifecycleTest, ASilentNodeIsUnknownAndTaintedUntilHeardAgain) {
  node();
  pod("a", 300);
  settle();
  beat(30s);
  EXPECT_EQ(condition(get(node_key()), "Ready"), "True");
  f.t.loop.advance(41s);
  EXPECT_EQ(condition(get(node_key()), "Ready"), "Unknown");
  EXPECT_EQ(taints(), "node.kubernetes.io/unreachable:NoSchedule node.kubernetes.io/unreachable:NoExecute ");
  EXPECT_EQ(condition(get(pod_key("a")), "Ready"), "False");
  settle();
  EXPECT_EQ(condition(get(node_key()), "Ready"), "Unknown");  // a restart is no sign of life
  beat(20s);
  EXPECT_EQ(condition(get(node_key()), "Ready"), "True");
  EXPECT_EQ(taints(), "");
  EXPECT_FALSE(leaving("a"));
}

TEST_P(NodeLifecycleTest, PodsLeaveASilentNodeWhenTheirTolerationEnds) {
  node();
  pod("a", 300);
  pod("short", 10);
  pod("stays", std::nullopt);
  settle();
  f.t.loop.advance(41s);
  settle();
  f.t.loop.advance(20s);
  settle();
  EXPECT_TRUE(leaving("short"));
  EXPECT_FALSE(leaving("a"));
  f.t.loop.advance(290s);
  EXPECT_TRUE(leaving("a"));
  EXPECT_EQ(condition(get(pod_key("a")), "DisruptionTarget"), "True");
  EXPECT_FALSE(leaving("stays"));
  // What they hold may still run there.
  EXPECT_EQ(phase("a"), "Open");
  EXPECT_EQ(phase("short"), "Open");
}

TEST_P(NodeLifecycleTest, ANotReadyNodeIsTaintedAsSuch) {
  node();
  Json unready = get(node_key());
  api::set(unready, {"status", "conditions"}, JsonArray{JsonObject{{"type", "Ready"}, {"status", "False"}}});
  put(node_key(), unready);
  settle();
  EXPECT_EQ(taints(), "node.kubernetes.io/not-ready:NoSchedule node.kubernetes.io/not-ready:NoExecute ");
  put(node_key(), [&] {
    Json ready = get(node_key());
    api::set(ready, {"status", "conditions"}, JsonArray{JsonObject{{"type", "Ready"}, {"status", "True"}}});
    return ready;
  }());
  settle();
  EXPECT_EQ(taints(), "");
}

TEST_P(NodeLifecycleTest, AnOperatorsTaintsStay) {
  node();
  Json own = get(node_key());
  api::set(own, {"spec", "taints"}, JsonArray{JsonObject{{"key", "dedicated"}, {"effect", "NoSchedule"}}});
  put(node_key(), own);
  settle();
  f.t.loop.advance(41s);
  settle();
  beat(20s);
  EXPECT_EQ(taints(), "dedicated:NoSchedule ");
}

TEST_P(NodeLifecycleTest, DeletingASilentNodeReleasesWhatItHeldAsOfItsLastHeartbeat) {
  node();
  pod("a", 300);
  beat(30s);
  f.t.loop.advance(60s);
  settle();
  erase(node_key());
  settle();
  f.t.loop.advance(41s);  // a restart gives every node its time again
  EXPECT_EQ(phase("a"), "Released");
  EXPECT_EQ(api::string_at(get(allocation_key("a")), {"status", "to"}), to_rfc3339_micro(start + 20s));
}

TEST_P(NodeLifecycleTest, DeletingALivingNodeLeavesTheReleaseToItsAgent) {
  node();
  pod("a", 300);
  settle();
  erase(node_key());
  beat(2min);
  settle();
  EXPECT_EQ(phase("a"), "Open");
  f.t.loop.advance(41s);
  EXPECT_EQ(phase("a"), "Released");
}

INSTANTIATE_TEST_SUITE_P(Runs, NodeLifecycleTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "ReopenedBetweenSteps" : "Straight"; });

}  // namespace
}  // namespace ingot::controllers
