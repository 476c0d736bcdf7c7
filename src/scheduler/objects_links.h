// How a node's GPUs are joined, from the ResourceSlice its agent publishes: numaNode, nvlinkIsland and, where not
// every two boards of an island are one hop apart, nvlinkPeers. Pure; any thread.
#pragma once

#include "api/json.h"
#include "gpu/islands.h"

namespace ingot::scheduler {

// Positions are those of the slice's devices that are whole GPUs with a uuid, in their order. What is malformed
// reads as no link.
gpu::Links links_from(const api::Json& slice);

}  // namespace ingot::scheduler
