#include "registry/history.h"

#include <algorithm>
#include <cmath>
#include <tuple>

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
  const size_t share = points.size() / most, larger = points.size() % most;
  for (size_t i = 0, at = 0; i < most; ++i) {
    out.push_back(points[at]);
    at += share + (i < larger ? 1 : 0);
  }
  out.back() = points.back();
  return out;
}

}  // namespace ingot::registry
