// The GPUs of one node. Plain values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ingot::gpu {

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
