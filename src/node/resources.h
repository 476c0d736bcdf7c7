// From a container's resources and securityContext to what the runtime enforces. Pure; any thread.
#pragma once

#include <string_view>

#include "node/pod.h"
#include "node/runtime.h"

namespace ingot::node {

enum class Qos : uint8_t { Guaranteed, Burstable, BestEffort };
Qos qos_of(const Pod&);

// limits.NAME, or requests.NAME; in thousandths. 0 where absent or malformed.
int64_t limit_milli(const ContainerDef&, std::string_view resource);
int64_t request_milli(const ContainerDef&,
                      std::string_view resource);  // falls back to the limit, as defaulting does

// cpu: shares = request × 1024, quota = limit × 100 ms period (at least 1 ms); memory: the limit; oom_score_adj:
// −997 guaranteed, 1000 best effort, between by the share of the node's memory requested (the kubelet's rules).
Limits limits_of(const Pod&, const ContainerDef&, int64_t node_memory_bytes);

// How many of the pod's devices are this container's: whole GPUs (nvidia.com/gpu), time shares (nvidia.com/gpu.shared:
// more of one GPU's replicas give no more devices) and MIG instances (nvidia.com/mig-PROFILE) it asks for.
int64_t gpus_of(const ContainerDef&);

// securityContext of container over that of the pod. fsGroup becomes a supplemental group.
Security security_of(const Pod&, const ContainerDef&);

}  // namespace ingot::node
