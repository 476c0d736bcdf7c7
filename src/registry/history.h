// Histories of metrics, ordered and thinned out as MLflow does it. However long one is, no more than so many of its points are
// held at once: a longer one is read piece by piece, which needs it to have been logged in order, as nearly all are.
// Thread rule: that of the file.
#pragma once

#include <optional>
#include <string_view>
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

inline constexpr int64_t kMostHeld = 4'000'000;  // points, 96 MB

struct HistoryPage {
  std::vector<store::TrackedPoint> points;
  bool more = false;  // behind them
};
// Of a run's metric by time: `most` from number `from` on.
Result<HistoryPage> page_by_time(store::TrackingFile&, int64_t run, std::string_view key, size_t from,
                                 size_t most, int64_t held = kMostHeld);
// sample() of a run's metric.
Result<std::vector<store::TrackedPoint>> sampled(store::TrackingFile&, int64_t run, std::string_view key,
                                                 std::optional<int64_t> first, std::optional<int64_t> last,
                                                 size_t most, int64_t held = kMostHeld);

}  // namespace ingot::registry
