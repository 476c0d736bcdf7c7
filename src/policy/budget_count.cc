#include "policy/budget_count.h"

#include <algorithm>
#include <limits>

namespace ingot::policy {
namespace {

using std::chrono::microseconds;

constexpr int64_t kParts = 128'000;
constexpr __int128 kHour = __int128(3'600) * 1'000'000 * kParts;
// What a pod costs an hour at most: sums over all pods and a month then stay below 2^127.
constexpr Rate kMostRate = Rate(1'000'000'000'000'000) * kParts;
constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

int64_t money(__int128 sum) { return int64_t(std::clamp<__int128>((sum + kHour / 2) / kHour, 0, kMost)); }
int64_t plus(int64_t a, int64_t b) { return a > kMost - b ? kMost : a + b; }

}  // namespace

Rate rate_of(int64_t price, int64_t amount, int64_t unit) {
  constexpr int64_t kMostAmount = 1'000'000'000;
  return std::min(Rate(price) * std::clamp<int64_t>(amount, 0, kMostAmount) * (kParts / unit), kMostRate);
}

int64_t cost_of(Rate rate, microseconds time) {
  constexpr int64_t kMostTime = int64_t(366) * 86'400 * 1'000'000;
  return money(rate * std::clamp<int64_t>(time.count(), 0, kMostTime));
}

void Holding::add(WallTime from, Rate rate) {
  if (rate <= 0) return;
  for (Part& part : parts)
    if (part.from == from) return void(part.rate = std::min(part.rate + rate, kMostRate));
  parts.push_back({from, rate});
}

Rate Holding::rate() const {
  Rate all = 0;
  for (const Part& part : parts) all += part.rate;
  return all;
}

Holding holding_of(const std::vector<LedgerEntry>& entries) {
  Holding held;
  for (const LedgerEntry& e : entries)
    if (e.device == kCpu)
      held.add(e.from, rate_of(e.cpu_price, e.cpu_milli, 1000) + rate_of(e.memory_price, e.memory_mib, 1024));
    else
      held.add(e.from, rate_of(e.price, e.gpu_milli, 1000));
  return held;
}

void BudgetCount::start(Span span, int64_t booked) {
  span_ = span;
  booked_ = booked;
  live_ = {};
  ends_.clear();
  for (const auto& [uid, entry] : held_) count(uid, entry, 1);
}

int64_t BudgetCount::since(WallTime at) const {
  return (std::clamp(at, span_.begin, span_.end) - span_.begin).count();
}

void BudgetCount::count(std::string_view uid, const Entry& entry, int sign) {
  const int64_t ends = since(entry.ended.value_or(entry.holding.ends));
  for (const Holding::Part& part : entry.holding.parts) {
    const int64_t from = since(part.from);
    if (entry.ended) {
      live_.ended += sign * part.rate * std::max<int64_t>(ends - from, 0);
      continue;
    }
    live_.rate += sign * part.rate;
    live_.from += sign * part.rate * from;
    live_.ends += sign * part.rate * std::max(ends, from);
  }
  if (entry.ended) return;
  std::pair<WallTime, std::string> due{entry.holding.ends, uid};
  sign > 0 ? void(ends_.insert(std::move(due))) : void(ends_.erase(due));
}

void BudgetCount::hold(const std::string& uid, Holding holding) {
  settle(uid);
  const Entry& entry = held_.insert_or_assign(uid, Entry{std::move(holding), {}}).first->second;
  count(uid, entry, 1);
}

void BudgetCount::expect(std::string_view uid, WallTime ends) {
  const auto found = held_.find(uid);
  if (found == held_.end() || found->second.ended) return;
  count(uid, found->second, -1);
  found->second.holding.ends = ends;
  count(uid, found->second, 1);
}

void BudgetCount::end(std::string_view uid, WallTime to) {
  const auto found = held_.find(uid);
  if (found == held_.end() || found->second.ended) return;
  count(uid, found->second, -1);
  found->second.ended = to;
  count(uid, found->second, 1);
}

void BudgetCount::book(const LedgerEntry& row) {
  booked_ = plus(booked_, std::max<int64_t>(row.cost(span_.begin, span_.end), 0));
}

void BudgetCount::settle(std::string_view uid) {
  const auto found = held_.find(uid);
  if (found == held_.end()) return;
  count(uid, found->second, -1);
  held_.erase(found);
}

const Holding* BudgetCount::held(std::string_view uid) const {
  const auto found = held_.find(uid);
  return found == held_.end() || found->second.ended ? nullptr : &found->second.holding;
}

std::optional<std::string> BudgetCount::overdue(WallTime now) const {
  if (ends_.empty() || ends_.begin()->first > now) return std::nullopt;
  return ends_.begin()->second;
}

std::optional<WallTime> BudgetCount::next_end() const {
  return ends_.empty() ? std::nullopt : std::optional(ends_.begin()->first);
}

int64_t BudgetCount::spent(WallTime now) const {
  // What begins after `now`, as clocks may have it, costs less than nothing here: it is not much.
  const __int128 held = live_.rate * since(now) - live_.from;
  return plus(booked_, money(live_.ended + std::max<__int128>(held, 0)));
}

int64_t BudgetCount::cost_of(std::string_view uid, WallTime now) const {
  __int128 sum = 0;
  if (const Holding* holding = held(uid))
    for (const Holding::Part& part : holding->parts)
      sum += part.rate * std::max<int64_t>(since(now) - since(part.from), 0);
  return money(sum);
}

int64_t BudgetCount::foreseen(WallTime now) const {
  return std::max(spent(now), plus(booked_, money(live_.ended + live_.ends - live_.from)));
}

std::optional<WallTime> BudgetCount::reaches(int64_t amount, WallTime now) const {
  if (spent(now) >= amount) return now;
  if (live_.rate <= 0) return std::nullopt;
  // The first microsecond at which the rounded sum is there.
  const __int128 wanted = __int128(amount - booked_) * kHour - kHour / 2 - live_.ended + live_.from;
  const __int128 time = (wanted + live_.rate - 1) / live_.rate;
  if (time > since(span_.end)) return std::nullopt;
  return std::max(now, span_.begin + microseconds(int64_t(std::max<__int128>(time, 0))));
}

}  // namespace ingot::policy
