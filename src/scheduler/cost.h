// What placing a pod on a node costs the factory: the smaller, the better. Pure; one thread at a time.
#pragma once

#include <cstdint>

#include "scheduler/shape.h"

namespace ingot::scheduler {

using Cost = int64_t;
inline constexpr Cost kNoCost = INT64_MAX;             // it does not fit
inline constexpr Cost kCostOffset = int64_t(1) << 46;  // costs lie within ± this

enum class PlacementCost : uint8_t {
  Pack,    // fewest GPUs left over, then the least CPU and memory left over
  Random,  // by seed
};

class Costs {
 public:
  void set(PlacementCost, uint64_t seed);
  // `gpu`, if not null, receives the board that a share takes; -1 for whole GPUs.
  Cost cost(const Space&, const Shape&, int* gpu) const;
  // Changes when the same question would get another answer.
  uint64_t version() const { return version_; }

 private:
  PlacementCost kind_ = PlacementCost::Pack;
  uint64_t seed_ = 0;
  uint64_t version_ = 1;
};

}  // namespace ingot::scheduler
