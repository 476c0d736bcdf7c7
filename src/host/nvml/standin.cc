// The stand-in NVML library: NVIDIA's ABI, answered from a description file (gpu/description.h) instead of a driver.
// Loaded by the inventory on machines without GPUs, and mounted into containers that were granted simulated ones,
// beside a description that holds only the granted boards. It is read from the text in $INGOT_GPU_DESCRIPTION_TEXT, or
// from the file $INGOT_GPU_DESCRIPTION, or from /etc/ingot/gpus.
// What it can be told to change lives in a state file (standin.h). MIG is in standin_mig.cc, memory in standin_cuda.cc,
// what is measured in standin_sample.cc.
// Any thread, as NVML promises.
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "host/nvml/standin.h"

namespace {
using namespace ingot::host::nvml;
using namespace ingot::host::nvml::standin;
using ingot::gpu::SimulatedBoard;
using ingot::gpu::SimulatedInstance;

Return copy(const std::string& text, char* out, unsigned length) {
  if (!out) return kInvalidArgument;
  if (text.size() + 1 > length) return kInsufficientSize;
  std::memcpy(out, text.c_str(), text.size() + 1);
  return kSuccess;
}

void fill_pci(const SimulatedBoard& b, PciInfo* out) {
  *out = {};
  std::snprintf(out->bus_id, sizeof out->bus_id, "%s", b.pci_bus_id.c_str());
  std::snprintf(out->bus_id_legacy, sizeof out->bus_id_legacy, "%.15s",
                b.pci_bus_id.size() > 4 ? b.pci_bus_id.c_str() + 4 : "");
  std::sscanf(b.pci_bus_id.c_str(), "%8x:%2x:%2x", &out->domain, &out->bus, &out->device);
  out->pci_device_id = 0x000010de;
}
}  // namespace

EXPORT const char* ingotNvmlSimulated() { return "simulated"; }

EXPORT Return nvmlInitWithFlags(unsigned) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (s.users > 0) return ++s.users, kSuccess;
  if (const Return opened = open_state(); opened != kSuccess) return opened;
  s.users = 1;
  return kSuccess;
}
EXPORT Return nvmlInit_v2() { return nvmlInitWithFlags(0); }
EXPORT Return nvmlInit() { return nvmlInitWithFlags(0); }
EXPORT Return nvmlShutdown() {
  const std::lock_guard lock(state().mutex);
  if (state().users == 0) return kUninitialized;
  --state().users;
  return kSuccess;
}

EXPORT const char* nvmlErrorString(Return code) {
  switch (code) {
    case kSuccess:
      return "Success";
    case kUninitialized:
      return "Uninitialized";
    case kInvalidArgument:
      return "Invalid Argument";
    case kNotSupported:
      return "Not Supported";
    case kNotFound:
      return "Not Found";
    case kInsufficientSize:
      return "Insufficient Size";
    case kTimeout:
      return "Timeout";
    case kGpuIsLost:
      return "GPU is lost";
    case kNoPermission:
      return "Insufficient Permissions";
    case kDriverNotLoaded:
      return "Driver Not Loaded";
    case kResetRequired:
      return "GPU requires reset";
    case kInUse:
      return "In use by another client";
    case kInsufficientResources:
      return "Insufficient Resources";
    default:
      return "Unknown Error";
  }
}

EXPORT Return nvmlSystemGetDriverVersion(char* out, unsigned length) {
  return state().users ? copy(state().description.driver, out, length) : kUninitialized;
}
EXPORT Return nvmlSystemGetNVMLVersion(char* out, unsigned length) {
  return state().users ? copy("12." + state().description.driver, out, length) : kUninitialized;
}
EXPORT Return nvmlSystemGetCudaDriverVersion(int* out) {
  if (!state().users) return kUninitialized;
  int major = 0, minor = 0;
  std::sscanf(state().description.cuda.c_str(), "%d.%d", &major, &minor);
  *out = major * 1000 + minor * 10;
  return kSuccess;
}
EXPORT Return nvmlSystemGetCudaDriverVersion_v2(int* out) { return nvmlSystemGetCudaDriverVersion(out); }

EXPORT Return nvmlDeviceGetCount_v2(unsigned* out) {
  if (!state().users) return kUninitialized;
  if (!out) return kInvalidArgument;
  *out = unsigned(boards().size());
  return kSuccess;
}
EXPORT Return nvmlDeviceGetCount(unsigned* out) { return nvmlDeviceGetCount_v2(out); }

EXPORT Return nvmlDeviceGetHandleByIndex_v2(unsigned index, Device* out) {
  if (!state().users) return kUninitialized;
  if (!out || index >= boards().size()) return kInvalidArgument;
  *out = static_cast<Device>(handle_of(index));
  return kSuccess;
}
EXPORT Return nvmlDeviceGetHandleByIndex(unsigned index, Device* out) {
  return nvmlDeviceGetHandleByIndex_v2(index, out);
}
EXPORT Return nvmlDeviceGetHandleByUUID(const char* uuid, Device* out) {
  if (!state().users) return kUninitialized;
  if (!uuid || !out) return kInvalidArgument;
  const std::lock_guard lock(state().mutex);
  refresh();
  for (size_t i = 0; i < boards().size(); ++i) {
    if (boards()[i].uuid == uuid) return *out = static_cast<Device>(handle_of(i)), kSuccess;
    for (const SimulatedInstance& instance : boards()[i].instances)
      if (instance.uuid == uuid) return *out = static_cast<Device>(handle_of(i, &instance)), kSuccess;
  }
  return kNotFound;
}
EXPORT Return nvmlDeviceGetHandleByPciBusId_v2(const char* bus, Device* out) {
  if (!state().users) return kUninitialized;
  if (!bus || !out) return kInvalidArgument;
  for (size_t i = 0; i < boards().size(); ++i)
    if (boards()[i].pci_bus_id == bus) return *out = static_cast<Device>(handle_of(i)), kSuccess;
  return kNotFound;
}

// A lost board still tells who it is, as the driver's cached facts do.
EXPORT Return nvmlDeviceGetUUID(Device device, char* out, unsigned length) {
  if (!state().users) return kUninitialized;
  const std::lock_guard lock(state().mutex);
  const Target t = target(device);
  return t.board ? copy(t.instance ? t.instance->uuid : t.board->uuid, out, length) : kInvalidArgument;
}
EXPORT Return nvmlDeviceGetIndex(Device device, unsigned* out) {
  const std::lock_guard lock(state().mutex);
  const Target t = target(device);
  if (!t.board || !out) return kInvalidArgument;
  *out = unsigned(t.board - boards().data());
  return kSuccess;
}
EXPORT Return nvmlDeviceGetName(Device device, char* out, unsigned length) {
  WITH_TARGET(t);
  const std::string product(t.board->model->product);
  return copy(t.instance ? product + " MIG " + t.instance->profile : product, out, length);
}
EXPORT Return nvmlDeviceGetMinorNumber(Device device, unsigned* out) {
  WITH_BOARD(b);
  *out = unsigned(b->minor);
  return kSuccess;
}
EXPORT Return nvmlDeviceGetPciInfo_v3(Device device, PciInfo* out) {
  WITH_TARGET(t);
  fill_pci(*t.board, out);
  return kSuccess;
}
EXPORT Return nvmlDeviceGetCudaComputeCapability(Device device, int* major, int* minor) {
  WITH_TARGET(t);
  *major = t.board->model->compute_major;
  *minor = t.board->model->compute_minor;
  return kSuccess;
}
EXPORT Return nvmlDeviceGetMemoryAffinity(Device device, unsigned words, unsigned long* out, unsigned) {
  WITH_BOARD(b);
  if (!out || words == 0 || b->numa_node < 0 || b->numa_node > 63) return kInvalidArgument;
  std::memset(out, 0, words * sizeof *out);
  out[0] = 1ul << b->numa_node;
  return kSuccess;
}
// Link N of a board leads to its Nth peer, or to the switch where there is one.
EXPORT Return nvmlDeviceGetNvLinkState(Device device, unsigned link, int* out) {
  WITH_BOARD(b);
  if (link >= kMaxNvLinks || !out) return kInvalidArgument;
  if (int(link) >= b->model->nvlinks) return kNotSupported;
  const bool nvswitch = node().nvswitch;
  *out = nvswitch ? !b->links.empty() : link < b->links.size();
  return kSuccess;
}
EXPORT Return nvmlDeviceGetNvLinkRemoteDeviceType(Device device, unsigned link, int* out) {
  WITH_BOARD(b);
  if (link >= kMaxNvLinks || !out) return kInvalidArgument;
  *out = node().nvswitch ? kLinkToSwitch : kLinkToGpu;
  return kSuccess;
}
EXPORT Return nvmlDeviceGetNvLinkRemotePciInfo_v2(Device device, unsigned link, PciInfo* out) {
  WITH_BOARD(b);
  if (!out || link >= b->links.size()) return kInvalidArgument;
  fill_pci(boards()[size_t(b->links[link])], out);
  return kSuccess;
}
