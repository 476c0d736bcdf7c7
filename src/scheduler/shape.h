// What is free on a node and what a pod asks for, in numbers only: the part of the scheduler's picture that
// placement costs are computed from. Plain values; any thread.
//
// A GPU's capacity is 1000 milli. A share takes its milli from one GPU; whole GPUs take 1000 each. A GPU that
// is unhealthy, cut into MIG instances, or shared by a tenant that may not be joined shows 0 free milli.
#pragma once

#include <array>
#include <cstdint>

namespace ingot::scheduler {

inline constexpr int kMaxGpus = 16;       // boards a node may have
inline constexpr int kMaxGpuModels = 64;  // GPU models a factory may have; a ModelId is below it
using ModelId = uint8_t;
using ModelSet = uint64_t;  // bit per ModelId
inline constexpr ModelSet kAnyModel = ~ModelSet{0};

// One pod's request. gpus = 0: none. milli < 1000: a share of one GPU, gpus is 1.
struct Shape {
  int64_t cpu_milli = 0, memory_mib = 0;
  int32_t gpus = 0;
  int32_t milli = 1000;  // of each GPU
  ModelSet models = kAnyModel;
  int64_t gpu_milli() const { return int64_t(gpus) * milli; }
  bool operator==(const Shape&) const = default;
  auto operator<=>(const Shape&) const = default;
};

struct Space {
  int64_t cpu_milli = 0, memory_mib = 0;              // free
  int64_t cpu_milli_total = 0, memory_mib_total = 0;  // allocatable
  int32_t gpus = 0;                                   // boards, in index order
  ModelId model = 0;                                  // of all of them
  std::array<int16_t, kMaxGpus> free_milli{};
  int32_t place = 0;  // tells nodes apart that are alike otherwise
  bool operator==(const Space&) const = default;
};

// Whether CPU, memory, model and GPUs suffice.
bool fits(const Space&, const Shape&);
// The space after placing the shape; a share goes to board `gpu`, whole GPUs to the lowest free indices.
Space after(const Space&, const Shape&, int gpu);

}  // namespace ingot::scheduler
