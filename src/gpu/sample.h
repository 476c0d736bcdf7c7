// What one look at a board says. Plain values, standard library only; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ingot::gpu {

// What a driver does not say (utilisation of a board in MIG mode, ECC of one without) is absent, never 0.
struct InstanceSample {
  int gpu_instance = 0;          // NVML's id on its board
  std::string profile;           // "1g.10gb"
  int start = 0;                 // its first memory slice
  std::optional<double> active;  // part of the time its engines worked, 0 to 1
};
struct Sample {
  std::string uuid;
  std::string lost;                                    // why the board does not answer; "": it does
  std::optional<int> utilisation, memory_utilisation;  // percent of the time
  std::optional<int64_t> memory_used_mib, memory_free_mib;
  std::optional<double> power_w;
  std::optional<int> temperature_c, sm_clock_mhz;
  std::optional<uint64_t> ecc_errors;  // uncorrected, since the board was last reset
  std::vector<uint64_t> xids;          // since the look before this one
  uint64_t last_xid = 0;               // of all looks, as Telemetry remembers it; 0: none
  std::vector<InstanceSample> instances;
};

}  // namespace ingot::gpu
