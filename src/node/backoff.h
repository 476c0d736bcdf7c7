// How long to wait before trying again: doubling from `first` to `most`. Plain value; any thread.
#pragma once

#include <algorithm>

#include "base/time.h"

namespace ingot::node {

class Backoff {
 public:
  Backoff(Duration first, Duration most) : first_(first), most_(most) {}
  Duration next() {
    const Duration wait = std::min(most_, first_ * (int64_t{1} << std::min(failures_, 20)));
    ++failures_;
    return wait;
  }
  void reset() { failures_ = 0; }
  int failures() const { return failures_; }

 private:
  Duration first_, most_;
  int failures_ = 0;
};

}  // namespace ingot::node
