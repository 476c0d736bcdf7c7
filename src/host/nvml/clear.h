// Overwrites a device's memory with zeros, through the CUDA driver API: NVML has no reset, and what a program leaves in
// GPU memory is otherwise the next one's to read. Takes all memory that is free, which on a device that nobody uses is
// all but what the driver keeps for itself.
// Blocking, and may hang with a sick driver: call it in a worker process with a deadline, once a process.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

namespace ingot::host::nvml {

struct Cleared {
  int64_t mib = 0, of_mib = 0;
};
// `library`: "libcuda.so.1" or the stand-in's path. `device`: UUID of a board or a MIG instance. Error: one line; also
// when too little was free to call the device clean.
std::expected<Cleared, std::string> clear_memory(const std::string& library, const std::string& device);

}  // namespace ingot::host::nvml
