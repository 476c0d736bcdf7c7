// The GPUs of this machine, or of a simulated node, read by a worker: a sick driver may hang a call for ever.
// Thread rule: any; blocks up to the worker's deadline.
#pragma once

#include <string>

#include "base/error.h"
#include "gpu/inventory.h"

namespace ingot::host {

// `library`: "libnvidia-ml.so.1", or the stand-in's path with the text it is described by ("" = none).
Result<gpu::Inventory> read_inventory(const std::string& library, const std::string& description);

// What workers print and their parent reads (gpu_worker.h).
std::string inventory_to_json(const gpu::Inventory&);
Result<gpu::Inventory> inventory_from_json(const std::string& text);
std::string mig_device_to_json(const gpu::MigDevice&);
Result<gpu::MigDevice> mig_device_from_json(const std::string& text);

}  // namespace ingot::host
