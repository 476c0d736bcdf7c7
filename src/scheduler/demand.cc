#include "scheduler/demand.h"

#include <algorithm>

namespace ingot::scheduler {

void Demand::observe(const Shape& shape) {
  ++seen_;
  const auto found = counts_.find(shape);
  if (found == counts_.end() && counts_.size() >= kMaxShapes) return;  // until the next halving
  counts_[shape] += 1;
  if ((total_ += 1) < kMemory) return;
  total_ = 0;
  for (auto at = counts_.begin(); at != counts_.end();) {
    at->second /= 2;
    if (at->second < 0.75) {
      at = counts_.erase(at);
    } else {
      total_ += at->second;
      ++at;
    }
  }
}

bool Demand::renewed() {
  if (seen_ < next_) return false;
  next_ = std::min(seen_ * 1.3, seen_ + 500);
  return true;
}

}  // namespace ingot::scheduler
