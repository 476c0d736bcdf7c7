// The part of the CUDA driver API's C ABI that clearing memory needs (NVIDIA, CUDA driver API reference).
#pragma once

#include <cstdint>

namespace ingot::host::nvml {

using CudaContext = struct CudaContextTag*;
using CudaDevice = int;
using CudaPointer = uint64_t;

enum CudaResult : int {
  kCudaSuccess = 0,
  kCudaOutOfMemory = 2,
  kCudaDeviceUnavailable = 46,
  kCudaNoDevice = 100,
  kCudaInvalidDevice = 101,
  kCudaEccUncorrectable = 214,
  kCudaNotPermitted = 800,
  kCudaUnknown = 999,
};

}  // namespace ingot::host::nvml
