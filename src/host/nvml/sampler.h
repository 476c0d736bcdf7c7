// Looks at all boards of an NVML library again and again: how busy, how warm, what went wrong.
// Blocking, and may hang with a sick driver: in a worker process only (host/gpu_sampler.h). One thread.
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "gpu/sample.h"

namespace ingot::host::nvml {

class Sampler {
 public:
  // A board that gives no answer for `patience` is lost until it does. Error: one line, as read_inventory's.
  static std::expected<std::unique_ptr<Sampler>, std::string> open(
      const std::string& library, std::chrono::milliseconds patience = std::chrono::seconds(4));
  virtual ~Sampler() = default;

  // Every board the driver lists. One that does not answer is there with the reason, as far as it says who it is.
  virtual std::vector<gpu::Sample> look() = 0;
  // Simulated boards alone: what happens to them from now on (gpu/description.h). False: the library takes none, or
  // not this one.
  virtual bool describe(const std::string& text) = 0;
};

}  // namespace ingot::host::nvml
