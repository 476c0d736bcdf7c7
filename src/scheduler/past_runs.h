// How long work ran before, and so how long more of the same may be expected to run: what backfill and forecasts go by
// where work sets no deadline.
//
// What is the same is said by an origin (objects.h: origin_of): the owner that a tenant's pods are made by, without
// what numbers it, and their GPUs. Of each the last kRuns runs are kept; from kEnough on more of it is expected to end
// within all but one in twenty of them, and a tenth more. That is meant to be too long rather than too short, and it will be too
// short at times: then it doubles, up to kGiveUp times, after which nobody knows. What must not happen
// to others for it is schedule.h's.
//
// Thread rule: one thread at a time. Invariants: bounded, per tenant and in all: the origin that last ran longest ago goes
// first; the same runs give the same answers, in whatever order origins came.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"

namespace ingot::scheduler {

struct PastRun {
  WallTime from;
  std::chrono::seconds ran{};  // rounded up
  bool operator==(const PastRun&) const = default;
};
using RunList = std::vector<PastRun>;  // as they came

class PastRuns {
 public:
  static constexpr size_t kRuns = 20, kEnough = 5;
  static constexpr size_t kPerTenant = 128, kMost = 8'192;  // origins
  static constexpr size_t kPassedOver = 20;                 // one of so many is longer than expected
  static constexpr int kMargin = 10;                        // a tenth is added
  static constexpr int kGiveUp = 8;

  // What began together counts as one run, the longest: a gang's pods. `ended`: by itself; of what was stopped only a run
  // that is longer than was expected tells something.
  void add(std::string_view tenant, std::string_view origin, WallTime from, Duration ran, bool ended);
  // None: too little is known.
  std::optional<Duration> expected(std::string_view tenant, std::string_view origin) const;
  const RunList* runs(std::string_view tenant, std::string_view origin) const;  // nullptr: none
  void restore(std::string_view tenant, std::string_view origin, RunList);
  void forget(std::string_view tenant);

  using Key = std::pair<std::string, std::string>;  // tenant, origin
  // Those whose runs are others since the last call, or that are gone.
  std::set<Key> take_changed() { return std::exchange(changed_, {}); }

 private:
  struct Line {
    RunList runs;
    std::optional<Duration> expected;
    WallTime last;  // an end
    void derive();
  };
  using Lines = std::map<std::string, Line, std::less<>>;  // by origin
  const Line* find(std::string_view tenant, std::string_view origin) const;
  void bound(std::string_view tenant);
  void erase(std::string_view tenant, std::string_view origin);

  std::map<std::string, Lines, std::less<>> lines_;  // by tenant
  size_t size_ = 0;
  std::set<Key> changed_;
};

// When work is expected to end that began at `since` and ran `attained` before; after `now`. None: nobody knows any more.
std::optional<WallTime> expected_end(WallTime since, Duration attained, Duration expected, WallTime now);

}  // namespace ingot::scheduler
