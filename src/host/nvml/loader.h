// Reads a node's GPUs through NVML, from the driver's library or the stand-in.
// Blocking, and may hang with a sick driver: call it in a worker process with a deadline.
#pragma once

#include <chrono>
#include <expected>
#include <string>

#include "gpu/inventory.h"

namespace ingot::host::nvml {

// `library`: a path or soname ("libnvidia-ml.so.1"). A board that answers with an error is listed as unhealthy with
// the reason, never left out; so is one that gives no answer for `patience`. MIG instances are listed where the caller
// may see them. Error: one line (library missing, driver not loaded, too old).
std::expected<gpu::Inventory, std::string> read_inventory(
    const std::string& library, std::chrono::milliseconds patience = std::chrono::seconds(10));

}  // namespace ingot::host::nvml
