// The GPUs of this machine, or of a simulated node, read by a worker: a sick driver may hang a call for ever.
// Thread rule: any; blocks up to the worker's deadline.
#pragma once

#include <string>

#include "base/error.h"
#include "gpu/inventory.h"

namespace ingot::host {

// `library`: "libnvidia-ml.so.1", or the stand-in's path with `description` the file it reads ("" = none).
Result<gpu::Inventory> read_inventory(const std::string& library, const std::string& description);

// What the worker prints and the parent reads.
std::string inventory_to_json(const gpu::Inventory&);
Result<gpu::Inventory> inventory_from_json(const std::string& text);

}  // namespace ingot::host
