#include "scheduler/order.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace ingot::scheduler {
namespace {

// GPU-seconds at which a unit leaves a level.
constexpr std::array<double, 2> kLevels{3250, 7200};
// What has been started is stopped only for what the order puts twice as far ahead: ranks that are learnt, and near
// one another, must not make work take turns.
constexpr double kLearntMargin = 0.5;

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

double Order::rank(const Work& work, int64_t gpus, Duration ran) const {
  if (elders_.contains(work.unit)) return 0;
  const Duration attained = work.attained + ran;
  const double left =
      work.run_time ? std::max(0.001, seconds(*work.run_time - attained)) : std::numeric_limits<float>::max();
  switch (kind_) {
    case OrderKind::Age:
      return 1;
    case OrderKind::ShortestTime:
      return left;
    case OrderKind::ShortestService:
      return left * double(std::max<int64_t>(gpus, 1));
    case OrderKind::LeastAttained: {
      const double service = seconds(attained) * double(gpus);
      return 1 + double(std::ranges::count_if(kLevels, [&](double limit) { return service >= limit; }));
    }
    case OrderKind::Learnt:
      return run_times_.rank(work.unit, gpus, attained);
  }
  return 1;
}

Duration Order::until(int64_t gpus, Duration attained) const {
  if (kind_ == OrderKind::Learnt) return RunTimes::until(attained);
  if (kind_ == OrderKind::LeastAttained && gpus > 0)
    for (const double limit : kLevels) {
      const auto at = std::chrono::nanoseconds(int64_t(std::ceil(limit / double(gpus) * 1e9)));
      if (at > attained) return at;
    }
  return Duration::max();
}

void Order::apply(Policy& policy) const {
  if (kind_ == OrderKind::Age) return;
  policy.rank = [this](const Work& work, int64_t gpus, Duration ran, Duration) {
    return rank(work, gpus, ran);
  };
  policy.rank_margin = kind_ == OrderKind::Learnt ? kLearntMargin : 1;
}

Duration Elders::advance(WallTime now, const std::string& queue, int64_t gpus,
                         const std::vector<Member>& members) {
  Line& line = lines_[queue];
  const double part = double(gpus) / double(kElderParts), turn = seconds(kTurn);
  line.saved = std::min(line.saved + line.rate * seconds(now - line.at), double(gpus) * turn);
  line.at = now;
  std::map<std::string_view, const Member*> known;
  Duration next = Duration::max();
  for (const Member& m : members) {
    known.emplace(m.unit, &m);
    if (m.waited < kPatience && !m.running) next = std::min(next, kPatience - m.waited);
  }
  std::erase_if(line.units, [&](const std::string& unit) {
    if (known.contains(unit)) return false;
    served_.erase(unit);
    return true;
  });
  std::set<std::string_view> in_line(line.units.begin(), line.units.end());
  std::vector<const Member*> due;
  for (const Member& m : members)
    if (m.waited >= kPatience && !in_line.contains(m.unit)) due.push_back(&m);
  std::ranges::sort(due, [](const Member* a, const Member* b) {
    return a->waited != b->waited ? a->waited > b->waited : a->unit < b->unit;
  });
  for (const Member* m : due) line.units.push_back(m->unit);

  double serving = 0;
  for (const std::string& unit : line.units)
    if (served_.contains(unit)) serving += double(known[unit]->gpus);
  if (line.saved <= 0)
    for (auto unit = line.units.rbegin(); unit != line.units.rend() && serving > part; ++unit)
      if (served_.erase(*unit) > 0) serving -= double(known[*unit]->gpus);
  double lacks = 0;  // GPU-seconds until the first that is not served would be
  for (const std::string& unit : line.units) {
    if (served_.contains(unit)) continue;
    const double with = serving + double(known[unit]->gpus);
    const double needs = std::max(0.0, with - part) * turn;
    if (with > double(gpus)) break;
    if (needs > line.saved) {
      lacks = needs - line.saved;
      break;
    }
    served_.insert(unit);
    serving = with;
  }
  line.rate = line.units.empty() ? 0 : part;
  for (const std::string& unit : line.units)
    if (const Member& m = *known[unit]; served_.contains(unit) && m.running) line.rate -= double(m.gpus);
  const auto in = [&](double s) {
    next = std::min<Duration>(next, std::chrono::seconds(int64_t(std::ceil(std::clamp(s, 1.0, 1e9)))));
  };
  if (line.rate < 0) in(line.saved / -line.rate);
  if (line.rate > 0 && lacks > 0) in(lacks / line.rate);
  return next;
}

}  // namespace ingot::scheduler
