// The few functions of CUDA's driver API that write memory, so that clearing a simulated board takes the way that
// clearing a real one takes. Memory is kept as the pieces that are not zero (gpu/description.h), in MiB; addresses are
// places on the board. Source of names and values: the CUDA driver API reference.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "gpu/mig.h"
#include "host/nvml/cuda_abi.h"
#include "host/nvml/standin.h"

namespace {
using namespace ingot::host::nvml;
using namespace ingot::host::nvml::standin;
using ingot::gpu::Profile;
using ingot::gpu::SimulatedBoard;
using ingot::gpu::SimulatedMemory;

constexpr uint64_t kBase = 0x7000'0000'0000;

// What one context sees: the memory of a board or of an instance on it.
struct Region {
  int64_t start_mib = 0, end_mib = 0;
  int64_t next_mib = 0;  // allocations are made upwards
};
struct Context {
  void* device = nullptr;
  Region region;
} context;

CudaResult code_of(Return code) {
  switch (code) {
    case kSuccess:
      return kCudaSuccess;
    case kDriverNotLoaded:
      return kCudaNoDevice;
    case kGpuIsLost:
      return kCudaDeviceUnavailable;
    case kNoPermission:
      return kCudaNotPermitted;
    default:
      return kCudaUnknown;
  }
}

// The one device that $CUDA_VISIBLE_DEVICES names.
void* visible() {
  const char* name = std::getenv("CUDA_VISIBLE_DEVICES");
  if (!name) return nullptr;
  for (size_t i = 0; i < boards().size(); ++i) {
    if (boards()[i].uuid == name && !boards()[i].mig_enabled) return handle_of(i);
    for (const auto& instance : boards()[i].instances)
      if (instance.uuid == name) return handle_of(i, &instance);
  }
  return nullptr;
}

Region region_of(const Target& t) {
  const int64_t whole = t.board->model->memory_mib;
  if (!t.instance) return {0, whole, 0};
  const Profile* p = ingot::gpu::find_profile(t.board->model->name, t.instance->profile);
  const int64_t units = ingot::gpu::memory_units(t.board->model->name);
  const int64_t start = whole * t.instance->start / units;
  return {start, whole * (t.instance->start + p->units) / units, start};
}

// Takes [start, end) out of the pieces.
void forget(std::vector<SimulatedMemory>& pieces, int64_t start, int64_t end) {
  std::vector<SimulatedMemory> left;
  for (const SimulatedMemory& m : pieces) {
    const int64_t stop = m.start_mib + m.mib;
    if (m.start_mib < start) left.push_back({m.start_mib, std::min(stop, start) - m.start_mib, m.byte});
    if (stop > end) {
      const int64_t from = std::max(m.start_mib, end);
      left.push_back({from, stop - from, m.byte});
    }
  }
  pieces = std::move(left);
}

int byte_at(const SimulatedBoard& board, int64_t mib) {
  for (const SimulatedMemory& m : board.memory)
    if (mib >= m.start_mib && mib < m.start_mib + m.mib) return m.byte;
  return 0;
}
}  // namespace

extern "C" Return nvmlInit_v2();

EXPORT CudaResult cuInit(unsigned) { return code_of(nvmlInit_v2()); }

EXPORT CudaResult cuDeviceGetCount(int* out) {
  const std::lock_guard lock(state().mutex);
  *out = visible() ? 1 : 0;
  return kCudaSuccess;
}
EXPORT CudaResult cuDeviceGet(CudaDevice* out, int ordinal) {
  *out = ordinal;
  return ordinal == 0 ? kCudaSuccess : kCudaInvalidDevice;
}

EXPORT CudaResult cuCtxCreate_v2(CudaContext* out, unsigned, CudaDevice) {
  std::unique_lock lock(state().mutex);
  Target t;
  void* device = visible();
  if (const Return code = usable(device, t, lock); code != kSuccess) return code_of(code);
  context = {device, region_of(t)};
  *out = reinterpret_cast<CudaContext>(&context);
  return kCudaSuccess;
}
EXPORT CudaResult cuCtxDestroy_v2(CudaContext) {
  context = {};
  return kCudaSuccess;
}
EXPORT CudaResult cuCtxSynchronize() { return kCudaSuccess; }

EXPORT CudaResult cuMemGetInfo_v2(size_t* free, size_t* total) {
  *free = size_t(context.region.end_mib - context.region.next_mib) << 20;
  *total = size_t(region_of(target(context.device)).end_mib - region_of(target(context.device)).start_mib)
           << 20;
  return kCudaSuccess;
}
EXPORT CudaResult cuMemAlloc_v2(CudaPointer* out, size_t bytes) {
  const auto mib = int64_t((bytes + (1 << 20) - 1) >> 20);
  if (mib == 0 || mib > context.region.end_mib - context.region.next_mib) return kCudaOutOfMemory;
  *out = kBase + (uint64_t(context.region.next_mib) << 20);
  context.region.next_mib += mib;
  return kCudaSuccess;
}
EXPORT CudaResult cuMemFree_v2(CudaPointer) { return kCudaSuccess; }  // the context's end frees

EXPORT CudaResult cuMemsetD8_v2(CudaPointer at, unsigned char byte, size_t bytes) {
  const int64_t start = int64_t((at - kBase) >> 20);
  const int64_t end = start + int64_t((bytes + (1 << 20) - 1) >> 20);
  const std::lock_guard lock(state().mutex);
  bool fails = false;
  const Return done = change_state([&] {
    SimulatedBoard* board = target(context.device).board;
    if (!board) return kGpuIsLost;
    if ((fails = board->clear_fails)) return kUnknown;
    forget(board->memory, start, end);
    if (byte != 0) board->memory.push_back({start, end - start, byte});
    return kSuccess;
  });
  return fails ? kCudaEccUncorrectable : code_of(done);
}
EXPORT CudaResult cuMemcpyDtoH_v2(void* to, CudaPointer from, size_t bytes) {
  const std::lock_guard lock(state().mutex);
  const Target t = target(context.device);
  if (!t.board) return kCudaDeviceUnavailable;
  for (size_t done = 0; done < bytes;) {
    const uint64_t place = from - kBase + done;
    const size_t part = std::min<size_t>(bytes - done, (1 << 20) - (place & ((1 << 20) - 1)));
    std::memset(static_cast<char*>(to) + done, byte_at(*t.board, int64_t(place >> 20)), part);
    done += part;
  }
  return kCudaSuccess;
}

EXPORT CudaResult cuGetErrorString(CudaResult code, const char** out) {
  static constexpr std::pair<CudaResult, const char*> kTexts[] = {
      {kCudaSuccess, "no error"},
      {kCudaOutOfMemory, "out of memory"},
      {kCudaDeviceUnavailable, "CUDA-capable device(s) is/are busy or unavailable"},
      {kCudaNoDevice, "no CUDA-capable device is detected"},
      {kCudaInvalidDevice, "invalid device ordinal"},
      {kCudaEccUncorrectable, "uncorrectable ECC error encountered"},
      {kCudaNotPermitted, "operation not permitted"}};
  *out = "unknown error";
  for (const auto& [known, text] : kTexts)
    if (known == code) *out = text;
  return kCudaSuccess;
}
