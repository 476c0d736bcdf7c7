// The part of NVML's C ABI that Ingot calls (NVIDIA, NVML API reference; names and layouts are the library's).
#pragma once

#include <cstdint>

namespace ingot::host::nvml {

using Device = struct DeviceTag*;
using EventSet = struct EventSetTag*;
using GpuInstance = struct GpuInstanceTag*;
using ComputeInstance = struct ComputeInstanceTag*;

enum Return : int {
  kSuccess = 0,
  kUninitialized = 1,
  kInvalidArgument = 2,
  kNotSupported = 3,
  kNoPermission = 4,
  kNotFound = 6,
  kInsufficientSize = 7,
  kDriverNotLoaded = 9,
  kTimeout = 10,
  kGpuIsLost = 15,
  kResetRequired = 16,
  kInUse = 19,
  kInsufficientResources = 23,
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
// What engines did between two samples (nvmlGpm*, boards since Hopper).
using GpmSample = struct GpmSampleTag*;
struct GpmMetric {
  unsigned id;
  Return code;
  double value;
  struct {
    char* short_name;
    char* long_name;
    char* unit;
  } info;
};
struct GpmMetrics {
  unsigned version, count;
  GpmSample first, second;
  GpmMetric metrics[333];  // `count` are read; drivers since 525 have room for at least 98
};
inline constexpr unsigned kGpmVersion = 1, kGpmGraphicsUtil = 1;  // percent

struct EventData {
  Device device;
  unsigned long long type, data;
  unsigned gpu_instance, compute_instance;
};

// MIG. Starts and sizes of GPU instances are memory units, of compute instances compute slices.
struct Placement {
  unsigned start, size;
};
struct GpuInstanceProfileInfo {
  unsigned id, p2p, slices, instances, multiprocessors, copy_engines, decoders, encoders, jpegs, ofas;
  unsigned long long memory_mib;
};
struct GpuInstanceInfo {
  Device device;
  unsigned id, profile;
  Placement placement;
};
struct ComputeInstanceProfileInfo {
  unsigned id, slices, instances, multiprocessors, copy_engines, decoders, encoders, jpegs, ofas;
};
struct ComputeInstanceInfo {
  Device device;
  GpuInstance gpu_instance;
  unsigned id, profile;
  Placement placement;
};
inline constexpr unsigned kGpuInstanceProfiles = 0x12;  // NVML_GPU_INSTANCE_PROFILE_COUNT
inline constexpr unsigned kComputeProfiles = 9;         // NVML_COMPUTE_INSTANCE_PROFILE_COUNT
inline constexpr unsigned kSharedEngines = 0;           // NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED

inline constexpr unsigned kMaxNvLinks = 18;
inline constexpr unsigned long long kEventXid = 8;
inline constexpr int kLinkToGpu = 0, kLinkToSwitch = 2;
inline constexpr unsigned kUuidBuffer = 96, kNameBuffer = 96, kVersionBuffer = 80;

}  // namespace ingot::host::nvml
