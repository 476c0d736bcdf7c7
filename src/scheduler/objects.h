// From stored objects to the model's values. Pure; any thread. What is absent or malformed reads as
// upstream's default; nothing here fails, for the objects were validated when they were written.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/json.h"
#include "scheduler/model.h"

namespace ingot::scheduler {

inline constexpr std::string_view kGpuResource = "nvidia.com/gpu";
inline constexpr std::string_view kProposedNode = "factory.ingot.dev/proposed-node";
inline constexpr std::string_view kPoolLabel = "factory.ingot.dev/pool";
// A gang: pods of one namespace with the same label and, in the annotation, how many they are.
inline constexpr std::string_view kGangLabel = "scheduling.x-k8s.io/pod-group";
inline constexpr std::string_view kGangSize = "factory.ingot.dev/gang-size";

// `slice` may be null: a node without devices. Capacity is status.allocatable.
Node node_from(const api::Json& node, const api::Json* slice);
Tenant tenant_from(const api::Json& tenant);
Allocation allocation_from(const api::Json& allocation);

// What the pod asks for: the sum of its containers, or its largest init container where that is more;
// sidecars (init containers that always restart) run beside both (k8s.io/component-helpers/resource). A limit
// without a request counts as the request. A pod that asks for no CPU counts 100m, for no memory 64Mi: it
// uses some, and it is billed.
Request request_of(const api::Json& pod);

enum class PodState : uint8_t {
  Pending,  // wants a node from us
  Waiting,  // not yet: scheduling gates, or another scheduler that has not proposed a node
  Placed,
  Finished,  // ended or being deleted
};
PodState state_of(const api::Json& pod);

struct Gang {
  std::string name;
  int64_t size;  // 2 … 1,024
};
std::optional<Gang> gang_of(const api::Json& pod);

}  // namespace ingot::scheduler
