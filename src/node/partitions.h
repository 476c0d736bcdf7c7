// The MIG instances that a node's boards can be cut into, as ResourceSlices: what each takes of its board's counters says
// which of them can be there together (k8s.io/api resource/v1: CounterSet, Device.consumesCounters). Only of boards in
// MIG mode; others are published as wholes. Pure; any thread.
//
// Names are those of NVIDIA's DRA driver: sets "gpu-0-counter-set", counters "memory-slice-0"…, devices
// "gpu-0-mig-1g10gb-19-0". What its driver counts besides (multiprocessors, engines) follows from the compute slices,
// which are one counter here.
#pragma once

#include <string>
#include <vector>

#include "api/json.h"
#include "gpu/inventory.h"
#include "node/node_config.h"

namespace ingot::node {

inline constexpr std::string_view kGpuDriver = "gpu.nvidia.com";

// spec.pool; all slices of a pool say how many there are: the boards' own and those below.
api::JsonObject slice_pool(const NodeConfig&, int64_t generation);
// What the whole board takes; empty: it is in no MIG mode.
api::JsonArray board_counters(const gpu::Board&);
// The slices beside the boards' own: of counters first, then of instances.
std::vector<api::JsonObject> partition_slices(const NodeConfig&, int64_t generation);
// Names that such slices may have on this node, whatever the boards' modes; none where no board has MIG.
std::vector<std::string> partition_slice_names(const NodeConfig&);

}  // namespace ingot::node
