// What pods ask for, learnt from those that came: a count per shape, the recent ones weighing more.
//
// Thread rule: one thread at a time. Invariants: at most kMaxShapes shapes; the same arrivals in the same order
// give the same demand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "scheduler/shape.h"

namespace ingot::scheduler {

class Demand {
 public:
  static constexpr std::size_t kMaxShapes = 1024;
  static constexpr double kMemory = 50'000;  // arrivals after which all counts are halved

  void observe(const Shape&);
  const std::map<Shape, double>& shapes() const { return counts_; }
  // Whether so much came since the last renewal that what was derived from it should be made again; then so it
  // counts as renewed.
  bool renewed();

 private:
  std::map<Shape, double> counts_;
  double seen_ = 0, total_ = 0, next_ = 8;
};

}  // namespace ingot::scheduler
