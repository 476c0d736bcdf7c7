// What is free on a node and what a pod asks for, in numbers only: the part of the scheduler's picture that
// placement costs are computed from. Plain values; any thread.
//
// A GPU's capacity is 1000 milli. A share takes its milli from one GPU; whole GPUs take 1000 each. A GPU that
// is unhealthy, cut into MIG instances, or shared by a tenant that may not be joined shows 0 free milli. MIG
// instances take memory units; a GPU that may not hold any more of them shows all of its units taken.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "gpu/mig.h"

namespace ingot::scheduler {

inline constexpr int kMaxGpus = 16;       // boards a node may have
inline constexpr int kMaxGpuModels = 64;  // GPU models a factory may have; a ModelId is below it
using ModelId = uint8_t;
using ModelSet = uint64_t;  // bit per ModelId
inline constexpr ModelSet kAnyModel = ~ModelSet{0};

// Which MIG profile: a number below that of the geometry's profiles (gpu/mig.h).
struct SliceKind {
  int8_t geometry = -1;  // -1: none, it is about whole GPUs or shares of them
  int8_t profile = 0;
  const gpu::Profile& of() const { return gpu::profiles(int{geometry})[std::size_t(profile)]; }
  explicit operator bool() const { return geometry >= 0; }
  bool operator==(const SliceKind&) const = default;
  auto operator<=>(const SliceKind&) const = default;
};

struct Layout;  // parts.h

// One pod's request. gpus = 0: none. milli < 1000: a share of one GPU, gpus is 1. With `slice` the same of MIG
// instances; with `layout` it says all of its devices, and gpus is 0.
struct Shape {
  int64_t cpu_milli = 0, memory_mib = 0;
  int32_t gpus = 0;
  int32_t milli = 1000;  // of each GPU
  ModelSet models = kAnyModel;
  SliceKind slice{};
  std::shared_ptr<const Layout> layout{};
  bool share() const { return gpus > 0 && milli < 1000; }
  int64_t gpu_milli() const {
    if (layout) return gpu_milli(*layout);
    const int64_t all = int64_t(gpus) * milli;
    return slice ? all * slice.of().units / gpu::memory_units(int{slice.geometry}) : all;
  }
  static int64_t gpu_milli(const Layout&);
  bool operator==(const Shape&) const = default;
  auto operator<=>(const Shape&) const = default;
};

// A MIG instance that is given out in time shares.
struct SharedSlice {
  int8_t board = 0, start = 0;
  SliceKind kind;
  bool open = true;  // the asker may join those who share it
  int32_t free_milli = 1000;
  bool operator==(const SharedSlice&) const = default;
};

struct Space {
  int64_t cpu_milli = 0, memory_mib = 0;              // free
  int64_t cpu_milli_total = 0, memory_mib_total = 0;  // allocatable
  int32_t gpus = 0;                                   // boards, in index order
  ModelId model = 0;                                  // of all of them
  std::array<int16_t, kMaxGpus> free_milli{};
  std::array<int16_t, kMaxGpus>
      foreign{};  // held of a board that the asker may not join before all of it is gone
  std::array<int8_t, kMaxGpus> geometries{};  // of MIG; -1: none
  std::array<gpu::Cut, kMaxGpus> cuts{};      // all taken: nothing of it for MIG instances
  std::vector<SharedSlice> shared;            // by board and start
  int32_t place = 0;                          // tells nodes apart that are alike otherwise
  bool operator==(const Space&) const = default;
};

// Whether CPU, memory, model and GPUs suffice.
bool fits(const Space&, const Shape&);
// The space after placing the shape; a share goes to board `gpu`, whole GPUs to the lowest free indices, MIG
// instances to the lowest free starts.
Space after(const Space&, const Shape&, int gpu);

}  // namespace ingot::scheduler
