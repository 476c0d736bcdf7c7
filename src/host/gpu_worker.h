// What is done to GPUs, each act by a worker process: a sick driver may hang any call for ever.
#pragma once

#include <span>
#include <string>

namespace ingot::host {

// The worker itself, `ingot worker ACT LIBRARY…`, where ACT is
//   nvml LIBRARY                              prints the inventory; as nobody
//   gpu-sample LIBRARY                        stays and answers (gpu_sampler.h); as nobody
//   gpu-sample-instances LIBRARY              the same with MIG instances
//   gpu-list LIBRARY                          the same with MIG instances, which only root may list
//   gpu-make LIBRARY BOARD PROFILE START      prints the instance
//   gpu-destroy LIBRARY BOARD START
//   gpu-whole LIBRARY BOARD
//   gpu-clear LIBRARY DEVICE                  prints how much was cleared
// The exit code is the process's; -1: not such a worker. An error is the last line on standard error.
int gpu_worker(std::span<const char* const> arguments);

}  // namespace ingot::host
