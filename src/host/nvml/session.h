// An NVML library, loaded and initialised: the entry points Ingot calls, and the board of a UUID.
// Thread rule: any, as NVML promises. Calls block and may hang with a sick driver.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "host/nvml/abi.h"

namespace ingot::host::nvml {

// Every entry point we use. Those that may be absent in an old driver are checked before the call.
struct Api {
  Return (*init)();
  Return (*shutdown)();
  const char* (*error_string)(Return);
  Return (*driver_version)(char*, unsigned);
  Return (*cuda_version)(int*);
  Return (*count)(unsigned*);
  Return (*handle)(unsigned, Device*);
  Return (*uuid)(Device, char*, unsigned);
  Return (*name)(Device, char*, unsigned);
  Return (*minor)(Device, unsigned*);
  Return (*memory)(Device, Memory*);
  Return (*pci)(Device, PciInfo*);
  Return (*compute)(Device, int*, int*);
  Return (*mig)(Device, unsigned*, unsigned*);
  Return (*affinity)(Device, unsigned, unsigned long*, unsigned);
  Return (*link_state)(Device, unsigned, int*);
  Return (*link_remote)(Device, unsigned, PciInfo*);
  Return (*link_type)(Device, unsigned, int*);
  Return (*ecc)(Device, int, int, unsigned long long*);
  // MIG
  Return (*set_mig)(Device, unsigned, Return*);
  Return (*profile_info)(Device, unsigned, GpuInstanceProfileInfo*);
  Return (*create_gpu_instance)(Device, unsigned, const Placement*, GpuInstance*);
  Return (*destroy_gpu_instance)(GpuInstance);
  Return (*gpu_instances)(Device, unsigned, GpuInstance*, unsigned*);
  Return (*gpu_instance_info)(GpuInstance, GpuInstanceInfo*);
  Return (*compute_profile_info)(GpuInstance, unsigned, unsigned, ComputeInstanceProfileInfo*);
  Return (*create_compute_instance)(GpuInstance, unsigned, ComputeInstance*);
  Return (*compute_instances)(GpuInstance, unsigned, ComputeInstance*, unsigned*);
  Return (*destroy_compute_instance)(ComputeInstance);
  Return (*most_mig_devices)(Device, unsigned*);
  Return (*mig_device)(Device, unsigned, Device*);
  Return (*gpu_instance_id)(Device, unsigned*);
  Return (*compute_instance_id)(Device, unsigned*);
  // What is measured, and what goes wrong.
  Return (*utilisation)(Device, Utilization*);
  Return (*power)(Device, unsigned*);
  Return (*temperature)(Device, int, unsigned*);
  Return (*clock)(Device, unsigned, unsigned*);
  Return (*events_create)(EventSet*);
  Return (*events_register)(Device, unsigned long long, EventSet);
  Return (*events_wait)(EventSet, EventData*, unsigned);
  Return (*gpm_alloc)(GpmSample*);
  Return (*gpm_free)(GpmSample);
  Return (*gpm_instance)(Device, unsigned, GpmSample);
  Return (*gpm_metrics)(GpmMetrics*);
  // The stand-in's own.
  const char* (*simulated)();
  Return (*describe)(const char*);
  bool complete() const;  // what no driver since 450 is without
  bool complete_mig() const;
};

class Session {
 public:
  // `library`: a path or soname. Error: one line.
  static std::expected<std::shared_ptr<const Session>, std::string> open(const std::string& library);
  ~Session();
  Session(const Session&) = delete;

  const Api& api() const { return api_; }
  std::string error(Return) const;
  std::expected<Device, std::string> board(const std::string& uuid) const;

 private:
  Session(void* library, const Api& api) : library_(library), api_(api) {}
  void* library_;
  Api api_;
};

}  // namespace ingot::host::nvml
