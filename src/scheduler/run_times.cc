#include "scheduler/run_times.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <numbers>
#include <vector>

namespace ingot::scheduler {
namespace {

constexpr double kHalf =
    1 - std::numbers::sqrt2 / 2;   // ends in a step of what reaches it, where nothing is known
constexpr double kRenewal = 1.05;  // all kinds are looked at anew once there is so much more evidence
constexpr size_t kLineSlack = 64;

// Step 0 is the first second, step n the time from 2^((n-1)/2) to 2^(n/2) seconds.
constexpr Duration begins(size_t step) {
  if (step == 0) return {};
  const int64_t whole = int64_t(1'000'000'000) << (step - 1) / 2;
  return Duration((step - 1) % 2 == 0 ? whole : int64_t(double(whole) * std::numbers::sqrt2));
}

template <size_t N>
constexpr std::array<Duration, N> starts() {
  std::array<Duration, N> out{};
  for (size_t step = 0; step < N; ++step) out[step] = begins(step);
  return out;
}

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

RunTimes::RunTimes() = default;

size_t RunTimes::step(Duration attained) {
  static constexpr auto kStarts = starts<kSteps>();
  const auto after = std::upper_bound(kStarts.begin() + 1, kStarts.end(), attained);
  return size_t(after - kStarts.begin()) - 1;
}

Duration RunTimes::until(Duration attained) {
  const size_t now = step(attained);
  return now + 1 < kSteps ? begins(now + 1) : Duration::max();
}

size_t RunTimes::kind(int64_t gpus) {
  return std::min<size_t>(size_t(std::bit_width(uint64_t(std::max<int64_t>(gpus, 1)) - 1)), kKinds - 1);
}

// --- events ---

template <class Visit>
void RunTimes::neighbours(const Line& line, Line::const_iterator of, Visit visit) {
  const auto near = [&](const Entry& e) {
    return (e.created > of->second.created ? e.created - of->second.created
                                           : of->second.created - e.created) <= kNear;
  };
  auto at = of;
  for (int n = 0; n < kNeighbours && at != line.begin() && near((--at)->second); ++n) visit(at->second);
  at = std::next(of);
  for (int n = 0; n < kNeighbours && at != line.end() && near(at->second); ++n, ++at) visit(at->second);
}

// Its neighbours' ranks go by it.
void RunTimes::touch(Line& line, Line::iterator at) {
  at->second.index_version = 0;
  neighbours(line, at, [](const Entry& e) { e.index_version = 0; });
}

void RunTimes::reach(Line& line, Line::iterator at, size_t step) {
  Entry& e = at->second;
  if (e.step >= int(step)) return;
  while (e.step < int(step)) {
    ++e.step;
    ++all_.reached[size_t(e.step)];
    ++kinds_[e.kind].evidence.reached[size_t(e.step)];
    ++cases_;
  }
  touch(line, at);
}

void RunTimes::seen(std::string_view unit, int64_t gpus, WallTime created, Duration attained) {
  auto place = open_.find(unit);
  if (place == open_.end()) {
    Line& line = lines_[gpus];
    const auto at = line.emplace(next_++, Entry{.created = created, .kind = kind(gpus)}).first;
    place = open_.emplace(unit, Place{gpus, &line, at}).first;
  }
  reach(*place->second.line, place->second.at, step(attained));
}

void RunTimes::ended(std::string_view unit, Duration attained) {
  const auto place = open_.find(unit);
  if (place == open_.end()) return;
  Line& line = *place->second.line;
  const auto at = place->second.at;
  reach(line, at, step(attained));
  Entry& e = at->second;
  e.open = false;
  ++all_.ended[size_t(e.step)];
  ++kinds_[e.kind].evidence.ended[size_t(e.step)];
  ++cases_;
  touch(line, at);
  open_.erase(place);
  if (++ended_ >= kMemory) fade();
  if (line.size() > 2 * open_.size() + kLineSlack) prune(line);
}

void RunTimes::forget(std::string_view unit) {
  const auto place = open_.find(unit);
  if (place == open_.end()) return;
  touch(*place->second.line, place->second.at);
  place->second.line->erase(place->second.at);
  if (place->second.line->empty()) lines_.erase(place->second.gpus);
  open_.erase(place);
}

// What is nobody's neighbour any more goes.
void RunTimes::prune(Line& line) {
  int since_open = 0;  // entries since the last open one; the next to come is one too
  std::vector<Line::iterator> ended;
  for (auto at = line.begin(); at != line.end(); ++at) {
    if (at->second.open) {
      if (ended.size() > size_t(kNeighbours))
        ended.resize(ended.size() - size_t(kNeighbours));
      else
        ended.clear();
      for (const auto& gone : ended) line.erase(gone);
      ended.clear();
      since_open = 0;
    } else if (++since_open > kNeighbours) {
      ended.push_back(at);
    }
  }
  if (ended.size() > size_t(kNeighbours))
    ended.resize(ended.size() - size_t(kNeighbours));
  else
    ended.clear();
  for (const auto& gone : ended) line.erase(gone);
}

void RunTimes::fade() {
  ended_ = 0;
  const auto halve = [](Evidence& e) {
    for (double& n : e.reached) n /= 2;
    for (double& n : e.ended) n /= 2;
  };
  halve(all_);
  for (Kind& kind : kinds_) halve(kind.evidence);
}

// --- answers ---

RunTimes::Steps RunTimes::Evidence::hazard(const Steps& assumed, double cases) const {
  Steps out;
  for (size_t o = 0; o < kSteps; ++o) out[o] = (ended[o] + cases * assumed[o]) / (reached[o] + cases);
  return out;
}

// Over all times to stop at: the chance that it ends by then, for each second that is expected to be spent.
double RunTimes::index(const Steps& hazard, size_t from) {
  double left = 1, spent = 0, best = 0;
  for (size_t o = from; o < kSteps; ++o) {
    const double ends = left * hazard[o];
    spent += (seconds(begins(o + 1) - begins(o))) * (left - ends / 2);
    left -= ends;
    best = std::max(best, (1 - left) / spent);
  }
  return best;
}

void RunTimes::derive() const {
  if (cases_ < derive_at_) return;
  derive_at_ = std::max(cases_ + 1, cases_ * kRenewal);
  ++version_;
  Steps half;
  half.fill(kHalf);
  const Steps any = all_.hazard(half, kPrior);
  for (Kind& kind : kinds_) kind.hazard = kind.evidence.hazard(any, kKindPrior);
}

double RunTimes::rank(std::string_view unit, int64_t gpus, Duration attained) const {
  derive();
  const size_t from = step(attained);
  const auto by_gpus = double(std::max<int64_t>(gpus, 1));
  const auto place = open_.find(unit);
  if (place == open_.end()) return by_gpus / index(kinds_[kind(gpus)].hazard, from);
  const Line& line = *place->second.line;
  const Line::const_iterator at = place->second.at;
  const Entry& e = at->second;
  if (e.index_version != version_ || e.index_step != int(from)) {
    Evidence near;
    neighbours(line, at, [&](const Entry& other) {
      for (int o = 0; o <= other.step; ++o) ++near.reached[size_t(o)];
      if (!other.open) ++near.ended[size_t(other.step)];
    });
    e.index = index(near.hazard(kinds_[e.kind].hazard, kNearPrior), from);
    e.index_step = int(from);
    e.index_version = version_;
  }
  return by_gpus / e.index;
}

}  // namespace ingot::scheduler
