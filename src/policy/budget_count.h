// What the work of a budget costs in a period: what the ledger has booked of it, what is held, and what that is expected
// to cost still. A sum that is kept, not made: spent() and foreseen() look at nothing one by one.
//
// Thread rule: one thread at a time. Invariants: a row of the ledger counts once, whatever was held of its pod before; a
// holding counts from its start, or the period's, to now; foreseen() is never less than spent().
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "policy/budget.h"
#include "policy/ledger_entry.h"

namespace ingot::policy {

// Money over time: micro-units an hour, in 128,000th parts, for GPUs and CPUs are billed by the thousandth, memory by
// 1/1024 GiB.
using Rate = __int128;
Rate rate_of(int64_t price, int64_t amount, int64_t unit);  // `unit`: 1000 or 1024
int64_t cost_of(Rate, std::chrono::microseconds);           // rounded half up
inline int64_t cost_of(Rate rate, Duration time) {
  return cost_of(rate, std::chrono::duration_cast<std::chrono::microseconds>(time));
}

// What a pod holds: by the time from which it has it.
struct Holding {
  struct Part {
    WallTime from;
    Rate rate = 0;
  };
  std::vector<Part> parts;
  WallTime ends{};  // as expected
  void add(WallTime from, Rate);
  Rate rate() const;
};
Holding holding_of(const std::vector<LedgerEntry>&);

class BudgetCount {
 public:
  // What is booked until now, as it was kept; what is held is known already, or comes.
  void start(Span, int64_t booked = 0);
  // The next one: nothing of it is booked, what is held is held on.
  void turn(Span span) { start(span); }
  void clear() { *this = {}; }

  void hold(const std::string& uid, Holding);              // replaces what was held
  void expect(std::string_view uid, WallTime ends);        // another end of what is held
  void end(std::string_view uid, WallTime to);             // it costs nothing more, and is not booked yet
  void book(const LedgerEntry&);                           // of the period what is in it
  void settle(std::string_view uid);                       // all its rows are booked
  const Holding* held(std::string_view uid) const;         // that has not ended
  std::optional<std::string> overdue(WallTime now) const;  // one that was expected to have ended
  std::optional<WallTime> next_end() const;

  const Span& span() const { return span_; }
  int64_t booked() const { return booked_; }
  int64_t spent(WallTime now) const;
  int64_t foreseen(WallTime now) const;
  Rate rate() const { return live_.rate; }
  int64_t cost_of(std::string_view uid, WallTime now) const;  // in this period, of what is held
  // When `amount` will be spent if all goes on as it does; none: not in this period.
  std::optional<WallTime> reaches(int64_t amount, WallTime now) const;
  size_t size() const { return held_.size(); }
  // The uids of what is held, or not booked yet, in order, after `after`; until false.
  template <class Visit>
  void each(std::string_view after, Visit visit) const {
    for (auto at = held_.upper_bound(after); at != held_.end(); ++at)
      if (!visit(at->first)) return;
  }

 private:
  struct Entry {
    Holding holding;
    std::optional<WallTime> ended;
  };
  // Sums of rate × time since the period's start.
  struct Sums {
    Rate rate = 0, from = 0, ends = 0;  // of what is held
    __int128 ended = 0;                 // what has ended
  };
  int64_t since(WallTime) const;
  void count(std::string_view uid, const Entry&, int sign);

  Span span_{};
  int64_t booked_ = 0;
  Sums live_;
  std::map<std::string, Entry, std::less<>> held_;  // by pod uid
  std::set<std::pair<WallTime, std::string>> ends_;
};

}  // namespace ingot::policy
