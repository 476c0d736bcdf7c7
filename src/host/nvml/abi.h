// The part of NVML's C ABI that Ingot calls (NVIDIA, NVML API reference; names and layouts are the library's).
#pragma once

#include <cstdint>

namespace ingot::host::nvml {

using Device = struct DeviceTag*;
using EventSet = struct EventSetTag*;

enum Return : int {
  kSuccess = 0,
  kUninitialized = 1,
  kInvalidArgument = 2,
  kNotSupported = 3,
  kNotFound = 6,
  kInsufficientSize = 7,
  kTimeout = 10,
  kGpuIsLost = 15,
  kUnknown = 999,
};

struct Memory {
  unsigned long long total, free, used;  // bytes
};
struct PciInfo {
  char bus_id_legacy[16];
  unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
  char bus_id[32];
};
struct Utilization {
  unsigned gpu, memory;  // percent
};
struct EventData {
  Device device;
  unsigned long long type, data;
  unsigned gpu_instance, compute_instance;
};

inline constexpr unsigned kMaxNvLinks = 18;
inline constexpr unsigned long long kEventXid = 8;
inline constexpr int kLinkToGpu = 0, kLinkToSwitch = 2;
inline constexpr unsigned kUuidBuffer = 96, kNameBuffer = 96, kVersionBuffer = 80;

}  // namespace ingot::host::nvml
