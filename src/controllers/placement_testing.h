// A shard with placement on it, and nodes, tenants, queues and pods put there as who writes them would. Each scenario
// also runs with the shard closed and opened again between its steps, for nothing may be remembered that the objects do
// not say. For tests.
#pragma once

#include <gmock/gmock.h>

#include "controllers/placement.h"
#include "scheduler/objects.h"
#include "store/testing.h"

namespace ingot::controllers {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::Key;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

inline Json condition(std::string_view type, std::string_view status) {
  return JsonObject{{"type", type}, {"status", status}};
}

class PlacementTest : public testing::TestWithParam<bool> {
 protected:
  store::Fixture f;
  std::unique_ptr<Placement> placement = std::make_unique<Placement>(f.t.env, *f.shard);

  // The end of a scenario's step.
  void settle() {
    f.t.loop.run_until_idle();
    if (!GetParam()) return;
    placement.reset();
    f.reopen();
    placement = std::make_unique<Placement>(f.t.env, *f.shard);
    f.t.loop.run_until_idle();
  }

  static Key root(std::string_view resource, std::string_view name) {
    return {kRootCluster, resource, "", name};
  }
  static Key pod_key(std::string_view name, std::string cluster = "c1") {
    return {ClusterId(std::move(cluster)), "pods", "default", name};
  }
  void put(const Key& key, Json object) {
    ASSERT_TRUE(f.input([&](store::Turn& turn) { ASSERT_TRUE(turn.put(key, std::move(object))); }));
  }
  void erase(const Key& key) {
    ASSERT_TRUE(f.input([&](store::Turn& turn) { ASSERT_TRUE(turn.erase(key)); }));
  }
  Json get(const Key& key) {
    Json found;
    EXPECT_TRUE(f.input([&](store::Turn& turn) {
      if (const auto object = turn.get(key)) found = object->parse();
    }));
    return found;
  }

  void node(std::string name, int gpus) {
    JsonArray devices;
    for (int i = 0; i < gpus; ++i)
      devices.push_back(JsonObject{
          {"name", "gpu-" + std::to_string(i)},
          {"attributes", JsonObject{{"uuid", JsonObject{{"string", "GPU-" + name + "-" + std::to_string(i)}}},
                                    {"model", JsonObject{{"string", "H100-80GB"}}}}}});
    put(root("resourceslices.resource.k8s.io", name + "-gpu.nvidia.com"),
        JsonObject{{"spec", JsonObject{{"nodeName", name}, {"devices", devices}}}});
    put(root("nodes", name),
        JsonObject{
            {"metadata", JsonObject{{"name", name}, {"labels", JsonObject{{"ingot.dev/simulated", "true"}}}}},
            {"status",
             JsonObject{{"allocatable", JsonObject{{"cpu", "16"}, {"memory", "64Gi"}, {"pods", "110"}}},
                        {"conditions", JsonArray{condition("Ready", "True")}}}}});
  }
  void tenant(std::string name, std::string cluster, Json limit = nullptr) {
    put(root("tenants.factory.ingot.dev", name),
        JsonObject{
            {"metadata", JsonObject{{"name", name}}},
            {"spec", JsonObject{{"gpus", JsonObject{{"guarantee", 0}, {"limit", limit}}}, {"weight", 1}}},
            {"status", JsonObject{{"phase", "Active"}, {"cluster", cluster}}}});
  }
  void queue(std::string name, Json spec) {
    put(root("queues.factory.ingot.dev", name),
        JsonObject{{"metadata", JsonObject{{"name", name}}}, {"spec", std::move(spec)}});
  }
  static JsonObject in_queue(std::string_view name) {
    return {{"labels", JsonObject{{scheduler::kQueueLabel, name}}}};
  }
  static Json pod_object(std::string name, int gpus, JsonObject metadata = {}, std::string cluster = "c1") {
    metadata["name"] = name;
    metadata["namespace"] = "default";
    metadata["uid"] = cluster + "-uid-" + name;
    metadata["creationTimestamp"] = "2026-01-02T03:00:00Z";
    JsonObject limits;
    if (gpus > 0) limits["nvidia.com/gpu"] = std::to_string(gpus);
    return JsonObject{
        {"apiVersion", "v1"},
        {"kind", "Pod"},
        {"metadata", metadata},
        {"spec",
         JsonObject{{"containers",
                     JsonArray{JsonObject{{"name", "c"}, {"resources", JsonObject{{"limits", limits}}}}}}}},
        {"status", JsonObject{{"phase", "Pending"}}}};
  }
  void pod(std::string name, int gpus, JsonObject metadata = {}, std::string cluster = "c1") {
    put(pod_key(name, cluster), pod_object(name, gpus, std::move(metadata), cluster));
  }
  std::string node_of(std::string_view name, std::string cluster = "c1") {
    return std::string(api::string_at(get(pod_key(name, cluster)), {"spec", "nodeName"}));
  }
  Json scheduled(std::string_view name, std::string cluster = "c1") {
    for (const Json& c : api::array_at(get(pod_key(name, cluster)), {"status", "conditions"}))
      if (api::string_at(c, {"type"}) == "PodScheduled") return c;
    return {};
  }
  std::string reason(std::string_view name, std::string cluster = "c1") {
    return std::string(api::string_at(scheduled(name, cluster), {"message"}));
  }
  std::vector<std::string> devices(std::string_view name, std::string cluster = "c1") {
    std::vector<std::string> out;
    const Json a = get(root("allocations.factory.ingot.dev", cluster + "-uid-" + std::string(name)));
    for (const Json& d : api::array_at(a, {"spec", "devices"})) out.emplace_back(api::string_at(d, {"uuid"}));
    return out;
  }
  std::vector<Json> events(std::string cluster = "c1") {
    std::vector<Json> out;
    EXPECT_TRUE(f.input([&](store::Turn& turn) {
      turn.range(api::type_prefix(ClusterId(cluster), "events"), "", [&](const api::ObjectPtr& o) {
        out.push_back(o->parse());
        return true;
      });
    }));
    return out;
  }
};

inline JsonObject gang(int size) {
  return {{"labels", JsonObject{{"scheduling.x-k8s.io/pod-group", "train"}}},
          {"annotations", JsonObject{{"factory.ingot.dev/gang-size", std::to_string(size)}}}};
}

}  // namespace ingot::controllers
