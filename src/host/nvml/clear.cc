#include "host/nvml/clear.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include "host/nvml/cuda_abi.h"

namespace ingot::host::nvml {
namespace {

constexpr size_t kMiB = size_t(1) << 20;
constexpr size_t kLeast = kMiB;  // the driver gives memory out in pages of 2 MiB
constexpr size_t kSample = 4096;

// What the driver keeps for a context and for itself.
size_t kept_by_driver(size_t total) { return total / 16 + 768 * kMiB; }

class Cuda {
 public:
  explicit Cuda(const std::string& name) : library_(dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    find(init, "cuInit");
    find(count, "cuDeviceGetCount");
    find(get, "cuDeviceGet");
    find(create, "cuCtxCreate_v2");
    find(destroy, "cuCtxDestroy_v2");
    find(synchronize, "cuCtxSynchronize");
    find(info, "cuMemGetInfo_v2");
    find(alloc, "cuMemAlloc_v2");
    find(set, "cuMemsetD8_v2");
    find(read, "cuMemcpyDtoH_v2");
    find(error_string, "cuGetErrorString");
  }
  bool complete() const { return complete_; }
  std::string error(const char* what, CudaResult code) const {
    const char* text = nullptr;
    error_string(code, &text);
    return std::string(what) + ": " + (text ? text : "error " + std::to_string(int(code)));
  }

  CudaResult (*init)(unsigned) = nullptr;
  CudaResult (*count)(int*) = nullptr;
  CudaResult (*get)(CudaDevice*, int) = nullptr;
  CudaResult (*create)(CudaContext*, unsigned, CudaDevice) = nullptr;
  CudaResult (*destroy)(CudaContext) = nullptr;
  CudaResult (*synchronize)() = nullptr;
  CudaResult (*info)(size_t*, size_t*) = nullptr;
  CudaResult (*alloc)(CudaPointer*, size_t) = nullptr;
  CudaResult (*set)(CudaPointer, unsigned char, size_t) = nullptr;
  CudaResult (*read)(void*, CudaPointer, size_t) = nullptr;
  CudaResult (*error_string)(CudaResult, const char**) = nullptr;

 private:
  template <class F>
  void find(F& into, const char* name) {
    into = library_ ? reinterpret_cast<F>(dlsym(library_, name)) : nullptr;
    complete_ = complete_ && into;
  }
  void* library_;  // kept: CUDA's own threads run in it
  bool complete_ = true;
};

struct Piece {
  CudaPointer at = 0;
  size_t bytes = 0;
};

// All memory that can be had, in pieces as large as they come.
std::vector<Piece> take_all(const Cuda& cuda, size_t free) {
  std::vector<Piece> taken;
  for (size_t size = free / kLeast * kLeast; size >= kLeast;) {
    Piece piece{.bytes = size};
    if (cuda.alloc(&piece.at, size) == kCudaSuccess)
      taken.push_back(piece);
    else
      size = size / 2 / kLeast * kLeast;
  }
  return taken;
}

bool zero(const Cuda& cuda, const Piece& piece, std::string& why) {
  std::array<char, kSample> sample{};
  for (const CudaPointer at : {piece.at, piece.at + piece.bytes - kSample}) {
    if (const CudaResult code = cuda.read(sample.data(), at, sample.size()); code != kCudaSuccess)
      return why = cuda.error("cannot read memory back", code), false;
    if (std::ranges::any_of(sample, [](char c) { return c != 0; }))
      return why = "memory that was cleared reads back otherwise", false;
  }
  return true;
}

}  // namespace

std::expected<Cleared, std::string> clear_memory(const std::string& library, const std::string& device) {
  setenv("CUDA_VISIBLE_DEVICES", device.c_str(), 1);
  const Cuda cuda(library);
  if (!cuda.complete()) return std::unexpected(library + " is missing or no CUDA driver library");
  if (const CudaResult code = cuda.init(0); code != kCudaSuccess)
    return std::unexpected(cuda.error("CUDA", code));
  int count = 0;
  CudaDevice one = 0;
  CudaContext context = nullptr;
  if (cuda.count(&count) != kCudaSuccess || count != 1 || cuda.get(&one, 0) != kCudaSuccess)
    return std::unexpected("CUDA does not see " + device);
  if (const CudaResult code = cuda.create(&context, 0, one); code != kCudaSuccess)
    return std::unexpected(cuda.error("cannot use the device", code));
  size_t free = 0, total = 0;
  if (const CudaResult code = cuda.info(&free, &total); code != kCudaSuccess)
    return std::unexpected(cuda.error("memory", code));
  const std::vector<Piece> pieces = take_all(cuda, free);
  size_t cleared = 0;
  for (const Piece& piece : pieces) {
    if (const CudaResult code = cuda.set(piece.at, 0, piece.bytes); code != kCudaSuccess)
      return std::unexpected(cuda.error("cannot clear memory", code));
    cleared += piece.bytes;
  }
  if (const CudaResult code = cuda.synchronize(); code != kCudaSuccess)
    return std::unexpected(cuda.error("cannot clear memory", code));
  std::string why;
  for (const Piece& piece : pieces)
    if (!zero(cuda, piece, why)) return std::unexpected(why);
  cuda.destroy(context);
  const Cleared done{int64_t(cleared / kMiB), int64_t(total / kMiB)};
  if (cleared + kept_by_driver(total) < total)
    return std::unexpected("only " + std::to_string(done.mib) + " of " + std::to_string(done.of_mib) +
                           " MiB could be cleared: something holds the rest");
  return done;
}

}  // namespace ingot::host::nvml
