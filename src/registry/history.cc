#include "registry/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "api/mlflow_error.h"

namespace ingot::registry {
namespace {
using Point = store::TrackedPoint;

// A NaN counts as 0, and comes behind a 0.
auto value(const Point& p) { return std::pair(std::isnan(p.value) ? 0.0 : p.value, std::isnan(p.value)); }
bool step_order(const Point& a, const Point& b) {
  if (a.step != b.step) return a.step < b.step;
  return std::tuple(a.timestamp, value(a)) < std::tuple(b.timestamp, value(b));
}
bool time_order(const Point& a, const Point& b) {
  if (a.timestamp != b.timestamp) return a.timestamp < b.timestamp;
  return std::tuple(a.step, value(a)) < std::tuple(b.step, value(b));
}

// Most histories were logged in order.
void sort(std::vector<Point>& points, bool (*order)(const Point&, const Point&)) {
  if (!std::ranges::is_sorted(points, order)) std::ranges::sort(points, order);
}

// Whether what comes in pieces comes in order.
class InOrder {
 public:
  explicit InOrder(bool (*order)(const Point&, const Point&)) : order_(order) {}
  bool take(const Point& point) {
    good_ = good_ && (!last_ || !order_(point, *last_));
    last_ = point;
    return good_;
  }
  bool good() const { return good_; }

 private:
  bool (*order_)(const Point&, const Point&);
  std::optional<Point> last_;
  bool good_ = true;
};

std::unexpected<Error> out_of_order(std::string_view key, std::string_view way_out) {
  return fail(api::mlflow_exhausted(
      fmt::format("the history of '{}' is too long to be put in order: {}", key.substr(0, 250), way_out)));
}

// Where the shares of sample() begin.
struct Shares {
  size_t share, larger, number = 0, at = 0;
  Shares(size_t points, size_t most) : share(points / most), larger(points % most) {}
  void next() { at += share + (number++ < larger ? 1 : 0); }
};

}  // namespace

void by_time(std::vector<Point>& points) { sort(points, time_order); }

std::vector<Point> sample(std::vector<Point>& points, std::optional<int64_t> first,
                          std::optional<int64_t> last, size_t most) {
  if (first && last) std::erase_if(points, [&](const Point& p) { return p.step < *first || p.step > *last; });
  sort(points, step_order);
  if (points.size() <= most) return points;
  std::vector<Point> out;
  out.reserve(most);
  // The first shares are one larger where it does not come out even.
  for (Shares shares(points.size(), most); out.size() < most; shares.next()) out.push_back(points[shares.at]);
  out.back() = points.back();
  return out;
}

Result<HistoryPage> page_by_time(store::TrackingFile& file, int64_t run, std::string_view key, size_t from,
                                 size_t most, int64_t held) {
  const auto count = file.count_points(run, key);
  if (!count) return fail(count.error());
  HistoryPage page;
  size_t all = 0;
  if (*count <= held) {
    auto points = file.points(run, key);
    if (!points) return fail(points.error());
    by_time(*points);
    all = points->size();
    const size_t begin = std::min(from, all);
    page.points.assign(points->begin() + long(begin),
                       points->begin() + long(std::min(all - begin, most) + begin));
  } else {
    InOrder order(time_order);
    auto read = file.visit_points(run, key, [&](const std::vector<Point>& some) {
      for (const Point& point : some) {
        if (!order.take(point)) return false;
        if (all >= from && page.points.size() < most) page.points.push_back(point);
        ++all;
      }
      return true;
    });
    if (!read) return fail(read.error());
    if (!order.good())
      return out_of_order(key,
                          "its points were not logged by time; ask for metrics/get-history-bulk-interval");
  }
  page.more = all > from + page.points.size();
  return page;
}

Result<std::vector<Point>> sampled(store::TrackingFile& file, int64_t run, std::string_view key,
                                   std::optional<int64_t> first, std::optional<int64_t> last, size_t most,
                                   int64_t held) {
  const auto count = file.count_points(run, key);
  if (!count) return fail(count.error());
  if (*count <= held) {
    auto points = file.points(run, key);
    return points ? Result<std::vector<Point>>(sample(*points, first, last, most)) : points;
  }
  const auto wanted = [&](const Point& p) {
    return !first || !last || (p.step >= *first && p.step <= *last);
  };
  InOrder order(step_order);
  size_t all = 0;
  auto looked = file.visit_points(run, key, [&](const std::vector<Point>& some) {
    for (const Point& point : some)
      if (wanted(point)) ++all, order.take(point);
    return true;
  });
  if (!looked) return fail(looked.error());
  const bool whole = int64_t(all) <= held;
  if (!whole && !order.good())
    return out_of_order(key, "its points were not logged by step; say start_step and end_step");
  std::vector<Point> out;
  Shares shares(all, most);
  size_t at = 0;
  Point newest;
  auto read = file.visit_points(run, key, [&](const std::vector<Point>& some) {
    for (const Point& point : some) {
      if (!wanted(point)) continue;
      newest = point;
      if (whole || (out.size() < most && at == shares.at)) {
        out.push_back(point);
        shares.next();
      }
      ++at;
    }
    return true;
  });
  if (!read) return fail(read.error());
  if (whole) return sample(out, std::nullopt, std::nullopt, most);
  out.back() = newest;
  return out;
}

}  // namespace ingot::registry
