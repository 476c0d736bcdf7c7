#include "host/nvml/session.h"

#include <dlfcn.h>

namespace ingot::host::nvml {
namespace {

template <class F>
F* symbol(void* library, const char* name) {
  return reinterpret_cast<F*>(dlsym(library, name));
}

Api load(void* lib) {
  Api a{};
  a.init = symbol<Return()>(lib, "nvmlInit_v2");
  a.shutdown = symbol<Return()>(lib, "nvmlShutdown");
  a.error_string = symbol<const char*(Return)>(lib, "nvmlErrorString");
  a.driver_version = symbol<Return(char*, unsigned)>(lib, "nvmlSystemGetDriverVersion");
  a.cuda_version = symbol<Return(int*)>(lib, "nvmlSystemGetCudaDriverVersion");
  a.count = symbol<Return(unsigned*)>(lib, "nvmlDeviceGetCount_v2");
  a.handle = symbol<Return(unsigned, Device*)>(lib, "nvmlDeviceGetHandleByIndex_v2");
  a.uuid = symbol<Return(Device, char*, unsigned)>(lib, "nvmlDeviceGetUUID");
  a.name = symbol<Return(Device, char*, unsigned)>(lib, "nvmlDeviceGetName");
  a.minor = symbol<Return(Device, unsigned*)>(lib, "nvmlDeviceGetMinorNumber");
  a.memory = symbol<Return(Device, Memory*)>(lib, "nvmlDeviceGetMemoryInfo");
  a.pci = symbol<Return(Device, PciInfo*)>(lib, "nvmlDeviceGetPciInfo_v3");
  a.compute = symbol<Return(Device, int*, int*)>(lib, "nvmlDeviceGetCudaComputeCapability");
  a.mig = symbol<Return(Device, unsigned*, unsigned*)>(lib, "nvmlDeviceGetMigMode");
  a.affinity = symbol<Return(Device, unsigned, unsigned long*, unsigned)>(lib, "nvmlDeviceGetMemoryAffinity");
  a.link_state = symbol<Return(Device, unsigned, int*)>(lib, "nvmlDeviceGetNvLinkState");
  a.link_remote = symbol<Return(Device, unsigned, PciInfo*)>(lib, "nvmlDeviceGetNvLinkRemotePciInfo_v2");
  a.link_type = symbol<Return(Device, unsigned, int*)>(lib, "nvmlDeviceGetNvLinkRemoteDeviceType");
  a.ecc = symbol<Return(Device, int, int, unsigned long long*)>(lib, "nvmlDeviceGetTotalEccErrors");
  a.set_mig = symbol<Return(Device, unsigned, Return*)>(lib, "nvmlDeviceSetMigMode");
  a.profile_info =
      symbol<Return(Device, unsigned, GpuInstanceProfileInfo*)>(lib, "nvmlDeviceGetGpuInstanceProfileInfo");
  a.create_gpu_instance = symbol<Return(Device, unsigned, const Placement*, GpuInstance*)>(
      lib, "nvmlDeviceCreateGpuInstanceWithPlacement");
  a.destroy_gpu_instance = symbol<Return(GpuInstance)>(lib, "nvmlGpuInstanceDestroy");
  a.gpu_instances =
      symbol<Return(Device, unsigned, GpuInstance*, unsigned*)>(lib, "nvmlDeviceGetGpuInstances");
  a.gpu_instance_info = symbol<Return(GpuInstance, GpuInstanceInfo*)>(lib, "nvmlGpuInstanceGetInfo");
  a.compute_profile_info = symbol<Return(GpuInstance, unsigned, unsigned, ComputeInstanceProfileInfo*)>(
      lib, "nvmlGpuInstanceGetComputeInstanceProfileInfo");
  a.create_compute_instance =
      symbol<Return(GpuInstance, unsigned, ComputeInstance*)>(lib, "nvmlGpuInstanceCreateComputeInstance");
  a.compute_instances = symbol<Return(GpuInstance, unsigned, ComputeInstance*, unsigned*)>(
      lib, "nvmlGpuInstanceGetComputeInstances");
  a.destroy_compute_instance = symbol<Return(ComputeInstance)>(lib, "nvmlComputeInstanceDestroy");
  a.most_mig_devices = symbol<Return(Device, unsigned*)>(lib, "nvmlDeviceGetMaxMigDeviceCount");
  a.mig_device = symbol<Return(Device, unsigned, Device*)>(lib, "nvmlDeviceGetMigDeviceHandleByIndex");
  a.gpu_instance_id = symbol<Return(Device, unsigned*)>(lib, "nvmlDeviceGetGpuInstanceId");
  a.compute_instance_id = symbol<Return(Device, unsigned*)>(lib, "nvmlDeviceGetComputeInstanceId");
  a.utilisation = symbol<Return(Device, Utilization*)>(lib, "nvmlDeviceGetUtilizationRates");
  a.power = symbol<Return(Device, unsigned*)>(lib, "nvmlDeviceGetPowerUsage");
  a.temperature = symbol<Return(Device, int, unsigned*)>(lib, "nvmlDeviceGetTemperature");
  a.clock = symbol<Return(Device, unsigned, unsigned*)>(lib, "nvmlDeviceGetClockInfo");
  a.events_create = symbol<Return(EventSet*)>(lib, "nvmlEventSetCreate");
  a.events_register = symbol<Return(Device, unsigned long long, EventSet)>(lib, "nvmlDeviceRegisterEvents");
  a.events_wait = symbol<Return(EventSet, EventData*, unsigned)>(lib, "nvmlEventSetWait_v2");
  a.gpm_alloc = symbol<Return(GpmSample*)>(lib, "nvmlGpmSampleAlloc");
  a.gpm_free = symbol<Return(GpmSample)>(lib, "nvmlGpmSampleFree");
  a.gpm_instance = symbol<Return(Device, unsigned, GpmSample)>(lib, "nvmlGpmMigSampleGet");
  a.gpm_metrics = symbol<Return(GpmMetrics*)>(lib, "nvmlGpmMetricsGet");
  a.simulated = symbol<const char*()>(lib, "ingotNvmlSimulated");
  a.describe = symbol<Return(const char*)>(lib, "ingotNvmlDescribe");
  return a;
}

}  // namespace

bool Api::complete() const {
  return init && shutdown && error_string && driver_version && count && handle && uuid && name && minor &&
         memory && pci && compute;
}

bool Api::complete_mig() const {
  return mig && set_mig && profile_info && create_gpu_instance && destroy_gpu_instance && gpu_instances &&
         gpu_instance_info && compute_profile_info && create_compute_instance && compute_instances &&
         destroy_compute_instance && most_mig_devices && mig_device && gpu_instance_id && compute_instance_id;
}

std::expected<std::shared_ptr<const Session>, std::string> Session::open(const std::string& name) {
  void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) return std::unexpected("cannot load " + name + ": " + dlerror());
  const Api api = load(library);
  if (!api.complete()) {
    dlclose(library);
    return std::unexpected(name + " is not an NVML library, or older than driver 450");
  }
  if (const Return code = api.init(); code != kSuccess) {
    const char* text = api.error_string(code);
    const std::string why = name + ": " + (text ? text : "cannot initialise");
    dlclose(library);
    return std::unexpected(why);
  }
  return std::shared_ptr<const Session>(new Session(library, api));
}

Session::~Session() {
  api_.shutdown();
  dlclose(library_);
}

std::string Session::error(Return code) const {
  const char* text = api_.error_string(code);
  return text ? text : "error " + std::to_string(int(code));
}

std::expected<Device, std::string> Session::board(const std::string& uuid) const {
  unsigned count = 0;
  if (const Return code = api_.count(&count); code != kSuccess)
    return std::unexpected("cannot count GPUs: " + error(code));
  for (unsigned i = 0; i < count; ++i) {
    Device device = nullptr;
    char text[kUuidBuffer] = {};
    if (api_.handle(i, &device) == kSuccess && api_.uuid(device, text, sizeof text) == kSuccess &&
        uuid == text)
      return device;
  }
  return std::unexpected("no GPU of this machine is " + uuid);
}

}  // namespace ingot::host::nvml
