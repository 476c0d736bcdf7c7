// The GPUs of one node. Plain values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ingot::gpu {

// A MIG instance that exists on a board.
struct MigDevice {
  std::string uuid;     // "MIG-…"; "" while it has no compute instance
  std::string profile;  // "1g.10gb"; "" where the board's model is not known
  int start = -1;       // its first memory unit; -1: it could not be learnt
  int gpu_instance = 0, compute_instance = -1;
  int64_t memory_mib = 0;
  int gpu_capability = -1, compute_capability = -1;  // minors: /dev/nvidia-caps/nvidia-capN; -1: none
  bool operator==(const MigDevice&) const = default;
};

struct Board {
  std::string uuid;     // "GPU-…"
  int index = 0;        // NVML index on its node
  int minor = 0;        // /dev/nvidiaN
  std::string product;  // "NVIDIA H100 80GB HBM3"
  std::string model;    // our short name and the price list's key: "H100-80GB"
  int64_t memory_mib = 0;
  std::string pci_bus_id;  // "00000000:17:00.0"
  int numa_node = -1;
  int compute_major = 0, compute_minor = 0;
  bool mig_capable = false, mig_enabled = false;
  std::vector<MigDevice> mig_devices;  // by start; empty where nobody may list them
  bool healthy = true;
  std::string fault;              // why not healthy: "XID 79"
  std::vector<int> nvlink_peers;  // indices of boards one NVLink/NVSwitch hop away
};

struct Inventory {
  bool simulated = false;
  std::string driver_version, cuda_version;
  std::vector<Board> boards;
};

}  // namespace ingot::gpu
