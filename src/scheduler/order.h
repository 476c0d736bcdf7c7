// Orders of work within a queue: who runs first and who gives way to it, as ranks for a Policy; and the part of a
// queue's GPUs that goes to its elders whatever the order says, so that no order starves anybody.
//
//  - ShortestTime, ShortestService: by what is left of known run times, the latter times GPUs (SRTF, SRSF);
//  - LeastAttained: by GPU-seconds had so far, in Tiresias-L's levels (NSDI 2019; thresholds of the published
//    simulators), within a level by age;
//  - Learnt: by the Gittins index over run times learnt from the same work (run_times.h).
//
// The bound on starvation. A unit that has waited for `patience` in all stands in its queue's line of elders, in the
// order in which that came to be. One part in `kElderParts` of the queue's GPUs serves that line first come, first
// served, ahead of every order: as long as the elders being served have more GPUs than that, time is what is
// divided, in turns of `kTurn`. So a unit is done, at the latest, once it has waited for `patience` and that part
// of the queue's GPUs has then done the work of the elders before it and its own.
//
// Thread rule: one thread at a time. Invariants: ranks are finite and ≥ 0, those of elders 0, and no elder gives way
// to another.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/run_times.h"
#include "scheduler/schedule.h"

namespace ingot::scheduler {

enum class OrderKind : uint8_t { Age, ShortestTime, ShortestService, LeastAttained, Learnt };

class Elders {
 public:
  static constexpr int64_t kElderParts = 32;
  static constexpr Duration kTurn = std::chrono::hours(1);
  static constexpr Duration kPatience = std::chrono::days(7);

  struct Member {
    std::string unit;
    int64_t gpus = 0;
    Duration waited{};  // in all
    bool running = false;
  };
  // Time went on: `members` is what waits and runs in the queue now, `gpus` what the queue may count on. Returns
  // when to call again, were nothing else to happen; max: never.
  Duration advance(WallTime now, const std::string& queue, int64_t gpus, const std::vector<Member>& members);
  bool contains(std::string_view unit) const { return served_.contains(unit); }

 private:
  struct Line {
    std::vector<std::string> units;  // in order
    WallTime at{};
    double saved = 0;  // GPU-seconds due to the line
    double rate = 0;   // of growth, since `at`
  };
  std::map<std::string, Line> lines_;  // by queue
  std::set<std::string, std::less<>> served_;
};

class Order {
 public:
  explicit Order(OrderKind kind) : kind_(kind) {}
  OrderKind kind() const { return kind_; }
  RunTimes& run_times() { return run_times_; }
  Elders& elders() { return elders_; }
  // `ran`: since its last start; what it ran before is work.attained.
  double rank(const Work&, int64_t gpus, Duration ran) const;
  // Running work's rank does not grow before it has run for so long, all its starts together; max: never.
  Duration until(int64_t gpus, Duration attained) const;
  // The policy's rank and margin; the order must outlive it.
  void apply(Policy&) const;

 private:
  OrderKind kind_;
  RunTimes run_times_;
  Elders elders_;
};

}  // namespace ingot::scheduler
