// Histories of metrics, ordered and thinned out as MLflow does it. Pure; any thread.
#pragma once

#include <optional>
#include <vector>

#include "store/tracking_file.h"

namespace ingot::registry {

// By timestamp, step, value: how a history is listed.
void by_time(std::vector<store::TrackedPoint>&);

// Of the points from `first` to `last` step (both or none) at most `most`, evenly over their order by step, timestamp and
// value: the first of each of `most` equal shares (as SQL's NTILE makes them), and always the last point of all.
std::vector<store::TrackedPoint> sample(std::vector<store::TrackedPoint>& points,
                                        std::optional<int64_t> first, std::optional<int64_t> last,
                                        size_t most);

}  // namespace ingot::registry
