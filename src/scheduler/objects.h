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
inline constexpr std::string_view kSharedResource = "nvidia.com/gpu.shared";
inline constexpr std::string_view kMigPrefix = "nvidia.com/mig-";
inline constexpr std::string_view kSharedSuffix = ".shared";  // replicas of a MIG instance
inline constexpr std::string_view kFraction = "gpu-fraction", kShareMemory = "gpu-memory";
inline constexpr std::string_view kGpuProduct = "nvidia.com/gpu.product";
inline constexpr std::string_view kGpuTopology = "factory.ingot.dev/gpu-topology";  // "nvlink": one island
inline constexpr std::string_view kProposedNode = "factory.ingot.dev/proposed-node";
inline constexpr std::string_view kPoolLabel = "factory.ingot.dev/pool";
// A gang: pods of one namespace with the same label.
inline constexpr std::string_view kGangLabel = "scheduling.x-k8s.io/pod-group";
inline constexpr std::string_view kGang = "factory.ingot.dev/gang";  // "true", of a Job
inline constexpr std::string_view kGangSize = "factory.ingot.dev/gang-size";
inline constexpr std::string_view kGangMin = "factory.ingot.dev/gang-min";
inline constexpr std::string_view kQueueLabel = "kueue.x-k8s.io/queue-name";
inline constexpr std::string_view kMovable = "factory.ingot.dev/movable";          // "true"
inline constexpr std::string_view kPreemptible = "factory.ingot.dev/preemptible";  // "false"

// `slice` may be null: a node without devices. Capacity is status.allocatable.
Node node_from(const api::Json& node, const api::Json* slice);
Tenant tenant_from(const api::Json& tenant);
Allocation allocation_from(const api::Json& allocation);
// What an Allocation keeps of its work, in spec.work.
api::JsonObject work_object(const Work&);
Work work_from(const api::JsonObject&);

// What the pod asks for: the sum of its containers, or its largest init container where that is more;
// sidecars (init containers that always restart) run beside both (k8s.io/component-helpers/resource). A limit
// without a request counts as the request. A pod that asks for no CPU counts 100m, for no memory 64Mi: it
// uses some, and it is billed.
Request request_of(const api::Json& pod);
// The GPU models that a node selector and required affinity on nvidia.com/gpu.product leave, as the model numbers
// them; any where they do not say, or name a product we do not know.
ModelSet models_of(const Constraints&, Model&);
// The same by name, of a pod; empty: any.
std::vector<std::string> gpu_models_of(const api::Json& pod);

enum class PodState : uint8_t {
  Pending,  // wants a node from us
  Waiting,  // not yet: scheduling gates, or another scheduler that has not proposed a node
  Placed,
  Finished,  // ended or being deleted
};
PodState state_of(const api::Json& pod);

// The pod's group. How many it is of says its PodGroup, or an annotation of its pods; 0: nobody says, so it is
// the pods that are there.
struct Gang {
  std::string name;
  int64_t size = 0;   // 2 … 1,024 announced
  int64_t least = 0;  // of an elastic gang, else size
  std::string fault;  // what its annotations say that cannot be
};
// Also for a pod that only says how many it is of, which is a fault.
std::optional<Gang> gang_of(const api::Json& pod);
// What work runs alike (past_runs.h), of work that asks for GPUs: its controller's kind and name without numbers and
// generated endings, so that what one template or CronJob makes is one; a pod's own name where that has such an
// ending; else its queue. And its GPUs.
std::string origin_of(std::string_view ns, const api::Json& pod, const Request&);
std::string gang_origin(std::string origin, int64_t least);
std::string_view name_stem(std::string_view name);  // "train-28391040-x8f2k": "train"
int64_t rank_of(const api::Json& pod);  // its index in its Job or StatefulSet; large where it has none

// What the pod says of itself as work: queue, preemption, grace, run time (activeDeadlineSeconds).
Work work_of(const api::Json& pod);

}  // namespace ingot::scheduler
