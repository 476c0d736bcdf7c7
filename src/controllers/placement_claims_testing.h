// ResourceClaims, pods that name them, and boards to choose among. For tests.
#pragma once

#include "api/deletion.h"
#include "controllers/claims.h"
#include "controllers/manager.h"
#include "controllers/placement_testing.h"

namespace ingot::controllers {

inline Json json(std::string_view text) { return *api::parse_json(text); }
inline Key claim_key(std::string_view name) { return {ClusterId("c1"), kClaims, "default", name}; }

inline Json request(std::string_view name, std::string_view device_class, int64_t count = 1,
                    Json selectors = {}) {
  JsonObject exactly{{"deviceClassName", device_class}, {"allocationMode", "ExactCount"}, {"count", count}};
  if (selectors.is_array()) exactly["selectors"] = std::move(selectors);
  return JsonObject{{"name", name}, {"exactly", std::move(exactly)}};
}
inline Json selector(std::string_view expression) {
  return JsonArray{JsonObject{{"cel", JsonObject{{"expression", expression}}}}};
}

class ClaimPlacementTest : public PlacementTest {
 protected:
  void SetUp() override {
    tenant("vision", "c1");
    board("big", "H100-80GB", "81559Mi", 4);
    board("old", "V100-16GB", "16384Mi", 4);
  }
  void board(std::string name, std::string model, std::string memory, int gpus) {
    node(name, 0);
    JsonArray devices;
    for (int i = 0; i < gpus; ++i)
      devices.push_back(
          json(R"({"name":"gpu-)" + std::to_string(i) + R"(","attributes":{"uuid":{"string":"GPU-)" + name +
               "-" + std::to_string(i) + R"("},"model":{"string":")" + model + R"("},"index":{"int":)" +
               std::to_string(i) + R"(}},"capacity":{"memory":{"value":")" + memory + R"("}}})"));
    put(root("resourceslices.resource.k8s.io", name + "-gpu.nvidia.com"),
        JsonObject{{"spec", JsonObject{{"nodeName", name}, {"devices", devices}}}});
  }
  void claim(std::string_view name, JsonArray requests, Json constraints = {}) {
    JsonObject devices{{"requests", std::move(requests)}};
    if (constraints.is_array()) devices["constraints"] = std::move(constraints);
    put(claim_key(name), JsonObject{{"apiVersion", "resource.k8s.io/v1"},
                                    {"kind", "ResourceClaim"},
                                    {"metadata", JsonObject{{"name", name},
                                                            {"namespace", "default"},
                                                            {"uid", "uid-of-" + std::string(name)}}},
                                    {"spec", JsonObject{{"devices", std::move(devices)}}}});
  }
  void claiming(std::string name, std::vector<std::string_view> claims, int gpus = 0) {
    Json pod = pod_object(name, gpus);
    JsonArray named;
    for (const std::string_view claim : claims)
      named.push_back(JsonObject{{"name", claim}, {"resourceClaimName", claim}});
    api::set(pod, {"spec", "resourceClaims"}, std::move(named));
    put(pod_key(name), std::move(pod));
  }
  // Devices that the pod's Allocation is charged for.
  int64_t charged(std::string_view name) {
    const Json a = get(root("allocations.factory.ingot.dev", "c1-uid-" + std::string(name)));
    return std::ranges::count_if(api::array_at(a, {"spec", "devices"}),
                                 [](const Json& d) { return api::bool_at(d, {"charged"}, true); });
  }
  int64_t gpus_used() {
    for (const scheduler::QueueLine& line : placement->queue_lines())
      if (line.tenant == "vision") return line.used.gpu_milli / 1000;
    return -1;
  }
  // As the claims' controller and the node do when a pod has ended.
  void leave(std::string_view name, std::string_view of) {
    erase(pod_key(std::string(name)));
    erase(root("allocations.factory.ingot.dev", "c1-uid-" + std::string(name)));
    Json claim = get(claim_key(of));
    JsonArray users;
    for (const Json& user : api::array_at(claim, {"status", "reservedFor"}))
      if (api::string_at(user, {"name"}) != name) users.push_back(user);
    if (users.empty())
      api::erase(claim, {"status"});
    else
      api::set(claim, {"status", "reservedFor"}, std::move(users));
    put(claim_key(of), claim);
  }
  // "node/device node/device" of what the claim holds.
  std::string held(std::string_view claim) {
    std::string all;
    const Json object = get(claim_key(claim));
    for (const Json& r : api::array_at(object, {"status", "allocation", "devices", "results"}))
      all += (all.empty() ? "" : " ") + std::string(api::string_at(r, {"request"})) + "=" +
             std::string(api::string_at(r, {"pool"})) + "/" + std::string(api::string_at(r, {"device"}));
    return all;
  }
};

}  // namespace ingot::controllers
