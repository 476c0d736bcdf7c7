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

#include "scheduler/demand.h"
#include "scheduler/shape.h"

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

class Costs {
 public:
  Costs();
  void set(PlacementCost, uint64_t seed);
  void set_capacity(const std::array<int64_t, kMaxGpuModels>& gpu_milli);  // by model
  // FGD's workload where it is given; else it is learnt as for Waste.
  void set_typical(Typical);
  void observe(const Shape&);
  // `gpu`, if not null, receives the board that a share takes; -1 for whole GPUs.
  Cost cost(const Space&, const Shape&, int* gpu) const;
  // Changes when the same question would get another answer.
  uint64_t version() const { return version_; }

 private:
  static constexpr std::size_t kQuantiles = 10;
  struct Ratio {
    float per;   // GPU-milli that one unit serves
    float part;  // of the demand
  };
  using Ratios = std::array<Ratio, kQuantiles>;

  void derive();
  void derive_rests();
  void derive_wholes();
  void derive_scarcity();
  static Ratios quantiles(std::vector<std::pair<double, double>> per_gpu_milli_and_weight);
  float strand(const Ratios&, int64_t amount, float gpu_milli) const;
  Cost waste(const Space&, const Shape&, int* gpu) const;
  Cost fgd(const Space&, const Shape&, int* gpu) const;

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
};

}  // namespace ingot::scheduler
