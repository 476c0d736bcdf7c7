// When a GPU that is held and unused is reported, and when it is taken back. Pure; any thread.
#pragma once

#include <optional>
#include <string>

#include "base/time.h"

namespace ingot::policy {

// Of a pool (Pool.spec.idle), or the factory's own where a node is in none.
struct IdlePolicy {
  Duration after = std::chrono::minutes(30);  // unused for so long: it is reported
  bool reclaim = false;                       // and then taken from work that may be evicted
  bool operator==(const IdlePolicy&) const = default;
};

// "30m", "1h30m": what a person wrote; none: not a time, or less than a second.
std::optional<IdlePolicy> idle_policy(const std::string& after, bool reclaim);

// At most this percentage of the time at work is unused.
inline constexpr int kIdlePercent = 1;
// Unused for less is no idleness: programs load, wait for data, save.
inline constexpr Duration kIdleNotice = std::chrono::minutes(1);
// Between the report and the reclaim: a tenth of the limit, for who reads it to act.
Duration reclaim_notice(const IdlePolicy&);

struct IdleVerdict {
  bool report = false, reclaim = false;
  std::optional<WallTime> next;          // when it may change by itself
  std::optional<WallTime> reclaimed_at;  // when a reported one will be; none: never
};
// `since`: unused from then on, without a break. `evictable`: its work may be a victim.
IdleVerdict judge_idle(const IdlePolicy&, WallTime since, bool evictable, WallTime now);

}  // namespace ingot::policy
