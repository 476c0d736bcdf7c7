// Time as values; reading a clock is env/'s business. Any thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace ingot {

using Duration = std::chrono::nanoseconds;

// Monotonic time since an arbitrary start, for timers and latencies.
struct MonotonicTag {
  using rep = int64_t;
  using period = std::nano;
  using duration = Duration;
  using time_point = std::chrono::time_point<MonotonicTag>;
  static constexpr bool is_steady = true;
};
using Instant = MonotonicTag::time_point;

// Time of day, UTC, microseconds since 1970: what objects and ledger rows carry.
using WallTime = std::chrono::sys_time<std::chrono::microseconds>;

// metav1.Time: "2026-11-22T14:20:00Z". metav1.MicroTime: "2026-11-22T14:20:00.000000Z".
std::string to_rfc3339(WallTime);
std::string to_rfc3339_micro(WallTime);
// Accepts both forms, any fraction, "Z" or a numeric offset.
std::optional<WallTime> parse_rfc3339(std::string_view);

// Go's time.Duration text and days: "1h30m", "250ms", "24h", "7d".
std::optional<Duration> parse_duration(std::string_view);
// Age as kubectl prints it (apimachinery: util/duration.HumanDuration): "5s", "3m4s", "2h", "4d3h".
std::string human_duration(Duration);

}  // namespace ingot
