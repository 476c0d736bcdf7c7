// Time zones by their names in the IANA database, from 2025 on. The table lies in the program (facts/zones.facts), so that a
// zone means the same wherever the program runs; there is no reading of the machine's own. Pure; any thread.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>
#include <vector>

namespace ingot {

class Zone {
 public:
  Zone() = default;  // UTC
  // "Europe/Berlin"; none: there is no such zone.
  static std::optional<Zone> find(std::string_view name);

  // Seconds east of UTC.
  std::chrono::seconds offset(std::chrono::sys_seconds) const;

 private:
  // Every year alike: from when, in seconds of local time on a weekday of a month.
  struct Change {
    unsigned month = 1, week = 1, weekday = 0;  // week 5: the last
    std::chrono::seconds at{};
    std::chrono::sys_seconds in(std::chrono::year) const;  // as if local time were UTC
  };
  struct Daylight {
    std::chrono::seconds offset{};
    Change begins, ends;
  };
  static std::optional<Zone> read(std::string_view line);

  std::chrono::seconds standard_{};
  std::optional<Daylight> daylight_;
  std::vector<std::pair<std::chrono::sys_seconds, std::chrono::seconds>>
      announced_;  // until the rule holds alone
};

}  // namespace ingot
