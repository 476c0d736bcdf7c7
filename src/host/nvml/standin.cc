// The stand-in NVML library: NVIDIA's ABI, answered from a description file (gpu/description.h) instead of a driver.
// Loaded by the inventory on machines without GPUs, and mounted into containers that were granted simulated ones,
// beside a description that holds only the granted boards. It is read from the text in $INGOT_GPU_DESCRIPTION_TEXT, or
// from the file $INGOT_GPU_DESCRIPTION, or from /etc/ingot/gpus.
// Any thread, as NVML promises; the state is built once by nvmlInit and read-only after.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include "gpu/description.h"
#include "host/nvml/abi.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {
using namespace ingot::host::nvml;
using ingot::gpu::SimulatedBoard;

struct State {
  std::mutex mutex;
  int users = 0;
  ingot::gpu::Description description;
  std::vector<bool> xid_told;
};
State& state() {
  static State instance;  // a C library's state is the process's
  return instance;
}

const std::vector<SimulatedBoard>& boards() {
  static const std::vector<SimulatedBoard> kNone;
  return state().description.nodes.empty() ? kNone : state().description.nodes.front().boards;
}

// Handles are 1-based positions: a stale or foreign one is recognised, not followed.
const SimulatedBoard* board(Device device) {
  const auto position = reinterpret_cast<uintptr_t>(device);
  return position >= 1 && position <= boards().size() ? &boards()[position - 1] : nullptr;
}
Device handle(size_t index) { return reinterpret_cast<Device>(index + 1); }

Return copy(const std::string& text, char* out, unsigned length) {
  if (!out) return kInvalidArgument;
  if (text.size() + 1 > length) return kInsufficientSize;
  std::memcpy(out, text.c_str(), text.size() + 1);
  return kSuccess;
}

Return usable(Device device, const SimulatedBoard*& out) {
  if (state().users == 0) return kUninitialized;
  out = board(device);
  if (!out) return kInvalidArgument;
  return out->lost ? kGpuIsLost : kSuccess;
}

bool read_file(const char* path, std::string& out) {
  std::FILE* file = std::fopen(path, "re");
  if (!file) return false;
  char buffer[4096];
  for (size_t n; out.size() <= (64u << 10) && (n = std::fread(buffer, 1, sizeof buffer, file)) > 0;)
    out.append(buffer, n);
  std::fclose(file);
  return true;
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

#define WITH_BOARD(name)                \
  const SimulatedBoard* name = nullptr; \
  if (const Return r = usable(device, name)) return r

EXPORT const char* ingotNvmlSimulated() { return "simulated"; }

EXPORT Return nvmlInitWithFlags(unsigned) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (s.users > 0) return ++s.users, kSuccess;
  std::string text;
  const char* given = std::getenv("INGOT_GPU_DESCRIPTION_TEXT");
  const char* path = std::getenv("INGOT_GPU_DESCRIPTION");
  if (given)
    text = given;
  else if (!read_file(path && *path ? path : "/etc/ingot/gpus", text))
    return Return(9);  // driver not loaded
  auto parsed = ingot::gpu::parse_description(text, "");
  if (!parsed) {
    std::fprintf(stderr, "simulated GPUs: %s\n", parsed.error().c_str());
    return kUnknown;
  }
  s.description = std::move(*parsed);
  s.xid_told.assign(boards().size(), false);
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
    default:
      return int(code) == 9 ? "Driver Not Loaded" : "Unknown Error";
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
  *out = handle(index);
  return kSuccess;
}
EXPORT Return nvmlDeviceGetHandleByIndex(unsigned index, Device* out) {
  return nvmlDeviceGetHandleByIndex_v2(index, out);
}
EXPORT Return nvmlDeviceGetHandleByUUID(const char* uuid, Device* out) {
  if (!state().users) return kUninitialized;
  if (!uuid || !out) return kInvalidArgument;
  for (size_t i = 0; i < boards().size(); ++i)
    if (boards()[i].uuid == uuid) return *out = handle(i), kSuccess;
  return kNotFound;
}
EXPORT Return nvmlDeviceGetHandleByPciBusId_v2(const char* bus, Device* out) {
  if (!state().users) return kUninitialized;
  if (!bus || !out) return kInvalidArgument;
  for (size_t i = 0; i < boards().size(); ++i)
    if (boards()[i].pci_bus_id == bus) return *out = handle(i), kSuccess;
  return kNotFound;
}

// A lost board still tells who it is, as the driver's cached facts do.
EXPORT Return nvmlDeviceGetUUID(Device device, char* out, unsigned length) {
  if (!state().users) return kUninitialized;
  const SimulatedBoard* b = board(device);
  return b ? copy(b->uuid, out, length) : kInvalidArgument;
}
EXPORT Return nvmlDeviceGetIndex(Device device, unsigned* out) {
  if (!board(device) || !out) return kInvalidArgument;
  *out = unsigned(reinterpret_cast<uintptr_t>(device) - 1);
  return kSuccess;
}
EXPORT Return nvmlDeviceGetName(Device device, char* out, unsigned length) {
  WITH_BOARD(b);
  return copy(std::string(b->model->product), out, length);
}
EXPORT Return nvmlDeviceGetMinorNumber(Device device, unsigned* out) {
  WITH_BOARD(b);
  *out = unsigned(b->minor);
  return kSuccess;
}
EXPORT Return nvmlDeviceGetMemoryInfo(Device device, Memory* out) {
  WITH_BOARD(b);
  const auto total = static_cast<unsigned long long>(b->model->memory_mib) << 20;
  *out = {total, total, 0};
  return kSuccess;
}
EXPORT Return nvmlDeviceGetPciInfo_v3(Device device, PciInfo* out) {
  WITH_BOARD(b);
  fill_pci(*b, out);
  return kSuccess;
}
EXPORT Return nvmlDeviceGetCudaComputeCapability(Device device, int* major, int* minor) {
  WITH_BOARD(b);
  *major = b->model->compute_major;
  *minor = b->model->compute_minor;
  return kSuccess;
}
EXPORT Return nvmlDeviceGetMigMode(Device device, unsigned* current, unsigned* pending) {
  WITH_BOARD(b);
  if (!b->model->mig) return kNotSupported;
  *current = *pending = b->mig_enabled;
  return kSuccess;
}
EXPORT Return nvmlDeviceGetMemoryAffinity(Device device, unsigned words, unsigned long* out, unsigned) {
  WITH_BOARD(b);
  if (!out || words == 0 || b->numa_node < 0 || b->numa_node > 63) return kInvalidArgument;
  std::memset(out, 0, words * sizeof *out);
  out[0] = 1ul << b->numa_node;
  return kSuccess;
}
EXPORT Return nvmlDeviceGetUtilizationRates(Device device, Utilization* out) {
  WITH_BOARD(b);
  *out = {0, 0};
  return kSuccess;
}
EXPORT Return nvmlDeviceGetTotalEccErrors(Device device, int kind, int, unsigned long long* out) {
  WITH_BOARD(b);
  *out = kind == 1 ? b->ecc_errors : 0;
  return kSuccess;
}

// Link N of a board leads to its Nth peer, or to the switch where there is one.
EXPORT Return nvmlDeviceGetNvLinkState(Device device, unsigned link, int* out) {
  WITH_BOARD(b);
  if (link >= kMaxNvLinks || !out) return kInvalidArgument;
  if (int(link) >= b->model->nvlinks) return kNotSupported;
  const bool nvswitch = state().description.nodes.front().nvswitch;
  *out = nvswitch ? !b->links.empty() : link < b->links.size();
  return kSuccess;
}
EXPORT Return nvmlDeviceGetNvLinkRemoteDeviceType(Device device, unsigned link, int* out) {
  WITH_BOARD(b);
  if (link >= kMaxNvLinks || !out) return kInvalidArgument;
  *out = state().description.nodes.front().nvswitch ? kLinkToSwitch : kLinkToGpu;
  return kSuccess;
}
EXPORT Return nvmlDeviceGetNvLinkRemotePciInfo_v2(Device device, unsigned link, PciInfo* out) {
  WITH_BOARD(b);
  if (!out || link >= b->links.size()) return kInvalidArgument;
  fill_pci(boards()[size_t(b->links[link])], out);
  return kSuccess;
}

// XIDs of the description are told once, then waiting times out at once: nothing else ever happens here.
EXPORT Return nvmlEventSetCreate(EventSet* out) {
  return out ? (*out = reinterpret_cast<EventSet>(1), kSuccess) : kInvalidArgument;
}
EXPORT Return nvmlDeviceRegisterEvents(Device device, unsigned long long, EventSet) {
  WITH_BOARD(b);
  return kSuccess;
}
EXPORT Return nvmlEventSetWait_v2(EventSet, EventData* out, unsigned) {
  if (!state().users) return kUninitialized;
  if (!out) return kInvalidArgument;
  const std::lock_guard lock(state().mutex);
  for (size_t i = 0; i < boards().size(); ++i)
    if (boards()[i].xid && !state().xid_told[i]) {
      state().xid_told[i] = true;
      *out = {handle(i), kEventXid, boards()[i].xid, ~0u, ~0u};
      return kSuccess;
    }
  return kTimeout;
}
EXPORT Return nvmlEventSetFree(EventSet) { return kSuccess; }
