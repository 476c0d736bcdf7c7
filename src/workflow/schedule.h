// When a CronWorkflow is due: five fields of cron in a time zone, or a descriptor. Immutable; any thread.
// Source: robfig/cron v3, parser.go (ParseStandard) and spec.go, which Argo Workflows 4.0 uses.
//
// "CRON_TZ=ZONE " or "TZ=ZONE " may stand before. Where the clock is put forward a time that is left out is not due that
// day; where it is put back what lies in the hour that comes twice is due twice.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "base/zone.h"

namespace ingot::workflow {

class Schedule {
 public:
  // The error is for people. `zone`: of a schedule that names none.
  static std::expected<Schedule, std::string> parse(std::string_view text,
                                                    const std::optional<Zone>& zone = {});

  // The first time after `after`; none within five years: never. `@every` counts from `anchor`.
  std::optional<WallTime> next(WallTime after, WallTime anchor) const;
  // The last one after `after` that is not after `until`.
  std::optional<WallTime> latest(WallTime after, WallTime until, WallTime anchor) const;

 private:
  struct Field {
    uint64_t bits = 0;
    bool any = false;  // it was * or ?
    bool has(unsigned n) const { return bits >> n & 1; }
  };
  struct Bounds;
  static std::expected<Field, std::string> field(std::string_view, const Bounds&);
  static std::expected<Field, std::string> range(std::string_view, const Bounds&);
  std::optional<WallTime> first(WallTime after, WallTime until, WallTime anchor) const;
  bool on(std::chrono::sys_days local) const;
  std::chrono::sys_seconds next_day(std::chrono::sys_seconds) const;

  Field minute_, hour_, day_, month_, weekday_;
  Zone zone_;
  std::chrono::seconds every_{};  // 0: the fields say when
};

}  // namespace ingot::workflow
