// What pods ask for, learnt from those that came: a count per shape, the recent ones weighing more.
//
// Thread rule: one thread at a time. Invariants: at most kMaxShapes shapes, and MIG profiles that some board has; the same arrivals in the same order
// give the same demand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "scheduler/shape.h"

namespace ingot::scheduler {

class Demand {
 public:
  static constexpr std::size_t kMaxShapes = 1024;
  static constexpr double kMemory = 50'000;  // arrivals after which all counts are halved

  void observe(const Shape&);
  void observe_slices(std::string_view profile, int64_t instances);
  const std::map<Shape, double>& shapes() const { return counts_; }
  const std::map<std::string, double, std::less<>>& slices() const { return slices_; }  // by profile
  // Whether so much came since the last renewal that what was derived from it should be made again; then so it
  // counts as renewed.
  bool renewed();

 private:
  void age();

  std::map<Shape, double> counts_;
  std::map<std::string, double, std::less<>> slices_;
  double seen_ = 0, total_ = 0, next_ = 8;
};

}  // namespace ingot::scheduler
