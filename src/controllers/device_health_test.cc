#include "controllers/device_health.h"

#include <gmock/gmock.h>

#include "store/reopened_testing.h"

namespace ingot::controllers {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::Key;
using namespace std::chrono_literals;

// Two pods on the two boards of a node. Also with the shard opened again between steps.
class DeviceHealthTest : public store::Reopened<DeviceHealth> {
 protected:
  void SetUp() override {
    put(node_key(), JsonObject{{"metadata", JsonObject{{"name", "n1"}, {"uid", "uid-n1"}}}});
    slice("", "");
    pod("a", "GPU-0");
    pod("b", "GPU-1");
    settle();
  }
  static Key node_key() { return {kRootCluster, "nodes", "", "n1"}; }
  static Key pod_key(std::string_view name) { return {ClusterId("c1"), "pods", "default", name}; }
  static Key allocation_key(std::string_view name) {
    return {kRootCluster, "allocations.factory.ingot.dev", "", "uid-" + std::string(name)};
  }
  static JsonObject device(int index, const std::string& fault) {
    JsonObject attributes{{"uuid", JsonObject{{"string", "GPU-" + std::to_string(index)}}},
                          {"healthy", JsonObject{{"bool", fault.empty()}}}};
    if (!fault.empty()) attributes["unhealthyReason"] = JsonObject{{"string", fault}};
    return {{"name", "gpu-" + std::to_string(index)}, {"attributes", attributes}};
  }
  // Why each of the two boards may not be given; "": it may.
  void slice(const std::string& first, const std::string& second) {
    put({kRootCluster, "resourceslices.resource.k8s.io", "", "n1-gpu.nvidia.com"},
        JsonObject{{"spec", JsonObject{{"nodeName", "n1"},
                                       {"devices", JsonArray{device(0, first), device(1, second)}}}}});
  }
  void pod(const std::string& name, const std::string& gpu, const char* phase = "Running") {
    put(pod_key(name),
        JsonObject{{"apiVersion", "v1"},
                   {"kind", "Pod"},
                   {"metadata", JsonObject{{"name", name}, {"namespace", "default"}, {"uid", "uid-" + name}}},
                   {"spec", JsonObject{{"nodeName", "n1"}, {"terminationGracePeriodSeconds", 30}}},
                   {"status", JsonObject{{"phase", phase}}}});
    put(allocation_key(name),
        JsonObject{{"metadata", JsonObject{{"name", "uid-" + name}}},
                   {"spec", JsonObject{{"tenant", "red"},
                                       {"cluster", "c1"},
                                       {"namespace", "default"},
                                       {"pod", name},
                                       {"node", "n1"},
                                       {"devices", JsonArray{JsonObject{{"uuid", gpu}}}}}},
                   {"status", JsonObject{{"phase", "Open"}}}});
  }
  bool leaves(std::string_view name) {
    return api::find(get(pod_key(name)), {"metadata", "deletionTimestamp"}) != nullptr;
  }
  std::string disruption(std::string_view name) {
    const Json pod = get(pod_key(name));
    for (const Json& c : api::array_at(pod, {"status", "conditions"}))
      if (api::string_at(c, {"type"}) == "DisruptionTarget")
        return std::string(api::string_at(c, {"reason"})) + ": " +
               std::string(api::string_at(c, {"message"}));
    return "";
  }
  // "REASON: message" of all Events of a cluster.
  std::vector<std::string> events(const ClusterId& cluster) {
    std::vector<std::string> found;
    EXPECT_TRUE(f.input([&](store::Turn& turn) {
      turn.range(api::type_prefix(cluster, "events"), "", [&](const api::ObjectPtr& object) {
        const Json event = object->parse();
        found.push_back(std::string(api::string_at(event, {"reason"})) + ": " +
                        std::string(api::string_at(event, {"message"})));
        return true;
      });
    }));
    return found;
  }
};

TEST_P(DeviceHealthTest, WhoHoldsAFaultyBoardIsEvictedWithTheReason) {
  slice("", "XID 79: GPU has fallen off the bus");
  settle();
  EXPECT_FALSE(leaves("a"));
  EXPECT_TRUE(leaves("b"));
  EXPECT_EQ(disruption("b"),
            "DeletionByDeviceTaintManager: GPU gpu-1 (GPU-1) of node n1: XID 79: GPU has fallen off the bus");
  EXPECT_THAT(
      events(ClusterId("c1")),
      testing::ElementsAre("GPUUnhealthy: GPU gpu-1 (GPU-1) of node n1: XID 79: GPU has fallen off the bus"));
  EXPECT_THAT(events(kRootCluster),
              testing::Contains(
                  "GPUUnhealthy: gpu-1 (GPU-1) is given to nobody: XID 79: GPU has fallen off the bus"));
  EXPECT_EQ(api::string_at(get(allocation_key("b")), {"status", "phase"}), "Open")
      << "until the node confirms";
}

TEST_P(DeviceHealthTest, ABoardThatServesAgainIsTold) {
  slice("uncorrected ECC errors: 2", "");
  settle();
  EXPECT_TRUE(leaves("a"));
  slice("", "");
  f.t.loop.run_until_idle();
  EXPECT_THAT(events(kRootCluster), testing::Contains("GPUHealthy: gpu-0 (GPU-0) serves again"));
  EXPECT_FALSE(leaves("b"));
}

TEST_P(DeviceHealthTest, WhoIsGivenABoardAsItFailsIsEvictedToo) {
  slice("GPU is lost", "");
  settle();
  pod("c", "GPU-0");
  settle();
  EXPECT_TRUE(leaves("c"));
}

TEST_P(DeviceHealthTest, WhatHasNotStartedIsItsNodesToRefuseForATime) {
  slice("GPU is lost", "");
  settle();
  pod("c", "GPU-0", "Pending");
  f.t.loop.run_until_idle();
  EXPECT_FALSE(leaves("c"));
  f.t.loop.advance(std::chrono::seconds(3));
  EXPECT_TRUE(leaves("c")) << "it did not";
}

TEST_P(DeviceHealthTest, PodsThatLeaveOrEndedAreLeftAlone) {
  Json ended = get(pod_key("a"));
  api::set(ended, {"status", "phase"}, "Succeeded");
  put(pod_key("a"), ended);
  slice("GPU is lost", "");
  settle();
  EXPECT_FALSE(leaves("a"));
  EXPECT_EQ(disruption("a"), "");
}

INSTANTIATE_TEST_SUITE_P(Restarts, DeviceHealthTest, testing::Bool());

}  // namespace
}  // namespace ingot::controllers
