// What placing a pod on a node costs the factory: the smaller, the better. Four ways to count, one of them ours.
//
// Waste, in GPU-milli, is how much more of the factory the placement is expected to leave unusable under the
// demand that was seen so far:
//  - rests: a board's free part r is filled by shares as they come until none fits; w(r) is what then is left on
//    average, by dynamic programming over r;
//  - wholes: k free boards of a node serve pods of many GPUs; what of that is lost beyond the boards taken;
//  - strands: free GPUs that the node's free CPU or memory cannot serve, against quantiles of the demand's CPU
//    and memory per GPU;
//  - scarcity: GPUs of models that pods insist on, by how much of them such pods ask for;
//  - and a little for what stays free, so that equal choices pack.
// A MIG instance's waste is what the board's cut is worth less afterwards (gpu/mig_starts.h), and, of a board that
// was whole, what pods of many GPUs lose.
//
// FGD is that of "Beware of Fragmentation" (USENIX ATC 2023): the growth of its fragmentation measure, as the
// integer score of its published simulator.
//
// Thread rule: one thread at a time. The same questions after the same arrivals give the same answers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "gpu/mig_starts.h"
#include "scheduler/demand.h"
#include "scheduler/slices.h"

namespace ingot::scheduler {

using Cost = int64_t;
inline constexpr Cost kNoCost = INT64_MAX;             // it does not fit
inline constexpr Cost kCostOffset = int64_t(1) << 46;  // costs lie within ± this

enum class PlacementCost : uint8_t { Waste, Fgd, BestFit, Random };

// The typical pods of a workload, most frequent first, with their parts of it: as many as make 95 % of it.
using Typical = std::vector<std::pair<Shape, double>>;
Typical typical_of(const std::map<Shape, double>& counts);
// FGD's measure of a node: the GPU-milli that are free and yet no use to a pod of the workload, on average.
double fragmentation(const Space&, const Typical&);

// A node as waste is computed from it, in little memory: that of many nodes is read in a row.
struct Look {
  int64_t cpu_milli = 0, memory_mib = 0;  // free
  float cpu_mille = 0, memory_mille = 0;  // of the whole, per unit
  float free = 0;                         // GPU-milli
  float strands = 0;                      // of them now, under the demand of that version
  uint64_t version = 0;                   // of the costs; 0: none
  std::array<int16_t, kMaxGpus> free_milli{};
  int16_t gpus = 0, wholes = 0, largest = 0;  // boards; those wholly free; the most that one has free
  ModelId model = 0;
  uint32_t kind = 0;  // equal ones differ seldom
  bool alike(const Look&) const;
};
Look look_at(const Space&);

class Costs {
 public:
  Costs();
  void set(PlacementCost, uint64_t seed);
  void set_capacity(const std::array<int64_t, kMaxGpuModels>& gpu_milli);  // by model
  // FGD's workload where it is given; else it is learnt as for Waste.
  void set_typical(Typical);
  void observe(const Shape&);
  void observe_slices(std::string_view profile, int64_t instances);
  // `gpu`, if not null, receives the board that a share takes; -1 for whole GPUs.
  Cost cost(const Space&, const Shape&, int* gpu) const;
  // The same; `look` is that of the space, and renew() was called for it since the version changed.
  Cost cost(const Space&, const Look&, const Shape&, int* gpu) const;
  void renew(Look& look) const {
    if (look.version != version_) strand(look);
  }
  // Costs of one shape on many nodes, of which most are alike. The looks stay as they are meanwhile.
  class Row {
   public:
    Row(const Costs& costs, const Shape& shape) : costs_(costs), shape_(shape) {}
    Cost at(const Space&, Look&);

   private:
    struct Known {
      const Look* look = nullptr;
      Cost cost = 0;
    };
    const Costs& costs_;
    const Shape& shape_;
    std::array<Known, 512> known_{};
  };
  // Where the instances, or with a layout all devices, of a shape that fits go.
  std::vector<SlicePlace> slices(Space, const Shape&) const;
  // Changes when the same question would get another answer.
  uint64_t version() const { return version_; }

 private:
  static constexpr std::size_t kQuantiles = 8;
  using Ratios =
      std::array<float, kQuantiles>;  // GPU-milli that one unit serves, for equal parts of the demand

  void derive();
  void derive_rests();
  void derive_wholes();
  void derive_scarcity();
  void derive_starts();
  static Ratios quantiles(std::vector<std::pair<double, double>> per_gpu_milli_and_weight);
  float strands(int64_t cpu_milli, int64_t memory_mib, float gpu_milli) const;
  void strand(Look&) const;
  Cost waste(const Look&, const Shape&, int* gpu) const;
  Cost fgd(const Space&, const Shape&, int* gpu) const;
  Cost random(const Space&) const;
  Cost slice(const Space&, const Shape&) const;
  Cost several(const Space&, const Shape&) const;
  // The best place for one instance, and what the factory can use less afterwards, in GPU-milli.
  std::pair<SlicePlace, float> slice_place(const Space&, const Shape&,
                                           gpu::BoardMask within = gpu::kAllBoards) const;

  PlacementCost kind_ = PlacementCost::Waste;
  uint64_t seed_ = 0;
  uint64_t version_ = 1;
  Demand demand_;
  std::array<int64_t, kMaxGpuModels> capacity_{};
  bool given_ = false;  // typical_
  Typical typical_;
  // Derived from demand and capacity:
  std::array<float, 1001> rest_{};           // w(r)
  std::array<float, kMaxGpus + 1> whole_{};  // GPU-milli that k free boards are worth to pods of whole GPUs
  Ratios cpu_{}, memory_{};
  std::array<float, kMaxGpuModels> scarce_{};
  std::array<gpu::Starts, gpu::kGeometries> starts_;  // empty: nobody asks for its profiles
};

}  // namespace ingot::scheduler
