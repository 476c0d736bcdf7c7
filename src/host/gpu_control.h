// node::DeviceControl by worker processes, and what it remembers in DATA/nodes/NODE.
// Thread rule: the loop; each act is waited for by a thread of its own. Destroying it kills the workers that run: their
// callbacks never come.
#pragma once

#include <memory>
#include <string>

#include "env/env.h"
#include "node/device_control.h"

namespace ingot::host {

struct GpuControlOptions {
  std::string nvml, cuda;   // libraries: paths or sonames
  std::string description;  // of simulated boards; "" = real ones
  std::string directory;    // DATA/nodes/NODE
  Duration deadline = std::chrono::seconds(20);
};

// Simulated boards keep their state in DIRECTORY/gpus. What is described decides which boards there are; what was done
// to the ones that were there before stays.
Result<std::unique_ptr<node::DeviceControl>> make_gpu_control(env::Loop&, GpuControlOptions);

}  // namespace ingot::host
