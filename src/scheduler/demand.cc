#include "scheduler/demand.h"

#include <algorithm>

namespace ingot::scheduler {

void Demand::observe(const Shape& shape) {
  ++seen_;
  const auto found = counts_.find(shape);
  if (found == counts_.end() && counts_.size() >= kMaxShapes) return;  // until the next halving
  counts_[shape] += 1;
  if ((total_ += 1) >= kMemory) age();
}

void Demand::observe_slices(std::string_view profile, int64_t instances) {
  const auto has = [&](int geometry) {
    return std::ranges::count(gpu::profiles(geometry), profile, &gpu::Profile::name) > 0;
  };
  bool known = false;
  for (int g = 0; g < gpu::kGeometries; ++g) known = known || has(g);
  if (!known) return;
  ++seen_;
  const auto n = double(std::clamp<int64_t>(instances, 1, kMaxGpus));
  const auto found = slices_.find(profile);
  found != slices_.end() ? found->second += n : slices_[std::string(profile)] = n;
  if ((total_ += n) >= kMemory) age();
}

void Demand::age() {
  total_ = 0;
  for (auto& [profile, n] : slices_) total_ += n /= 2;
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
