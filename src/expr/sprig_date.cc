#include <algorithm>

#include "expr/go_text.h"
#include "expr/go_time.h"
#include "expr/rows.h"

namespace ingot::expr {
namespace {

using std::chrono::seconds;

constexpr seconds kFarthest(250'000'000'000);  // from 1970: the year 9892

// A time, or seconds since 1970; what else is given counts as now.
WallTime time_in(const Json& json, WallTime now) {
  if (is_time(json)) return time_of(json);
  return json.is_int64() ? WallTime(std::clamp(seconds(json.get_int64()), -kFarthest, kFarthest)) : now;
}
Made in_zone(std::string_view layout, const Json& time, std::string_view zone, const Call& c) {
  if (zone != "UTC" && zone != "Local" && !zone.empty())
    return wrong("time zone " + std::string(zone) + " is not implemented: UTC alone");
  return text(format_time(layout, time_in(time, c.now)));
}
constexpr std::string_view kHtml = "2006-01-02";

// Go's durations have no days.
std::optional<Duration> span_in(std::string_view written) {
  return written.contains('d') ? std::nullopt : parse_duration(written);
}

Made now(const Call& c) { return time_value(c.now); }
Made date(const Call& c) { return in_zone(c.text(0), c[1], "UTC", c); }
Made date_in_zone(const Call& c) { return in_zone(c.text(0), c[1], c.text(2), c); }
Made html_date(const Call& c) { return in_zone(kHtml, c[0], "UTC", c); }
Made html_date_in_zone(const Call& c) { return in_zone(kHtml, c[0], c.text(1), c); }

template <bool Must>
Made modify(const Call& c) {
  std::string_view span = c.text(0);
  const bool negative = span.starts_with('-');
  if (negative || span.starts_with('+')) span.remove_prefix(1);
  const auto by = span_in(span);
  if (!by) return Must ? Made(wrong("dateModify: not a duration: " + std::string(c.text(0)))) : c[1];
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(*by);
  const WallTime time = time_of(c[1]) + (negative ? -micros : micros);
  if (std::chrono::abs(time.time_since_epoch()) > kFarthest) return wrong("dateModify: out of range");
  return time_value(time);
}
template <bool Must>
Made to_date(const Call& c) {
  const auto time = parse_time(c.text(0), c.text(1));
  if (!time && Must)
    return wrong("toDate: " + std::string(c.text(1)) + " is not of the layout " + std::string(c.text(0)));
  static constexpr WallTime kZero(std::chrono::sys_days(std::chrono::year(1) / 1 / 1));
  return time_value(time.value_or(kZero));
}
Made unix_epoch(const Call& c) {
  return text(std::to_string(std::chrono::floor<seconds>(time_of(c[0])).time_since_epoch().count()));
}

Made ago(const Call& c) {
  return text(printed_duration(std::chrono::round<seconds>(c.now - time_in(c[0], c.now))));
}
Made duration(const Call& c) {
  const int64_t n = c[0].is_string() ? parsed_int(c.text(0)).value_or(0) : c[0].is_int64() ? c.integer(0) : 0;
  constexpr int64_t kMost = INT64_MAX / 1'000'000'000;
  if (n > kMost || n < -kMost) return wrong("duration: out of range");
  return text(printed_duration(seconds(n)));
}
Made duration_round(const Call& c) {
  using std::chrono::microseconds;
  microseconds span(0);
  if (c[0].is_string()) {
    const std::string_view written = c.text(0);
    const auto parsed = span_in(written.substr(written.starts_with('-')));
    span = std::chrono::duration_cast<microseconds>(parsed.value_or(Duration(0)));
  } else if (is_time(c[0])) {
    span = std::chrono::abs(c.now - time_of(c[0]));
  } else if (c[0].is_int64()) {
    span = std::chrono::abs(std::chrono::duration_cast<microseconds>(Duration(c.integer(0))));
  }
  static constexpr std::pair<seconds, std::string_view> kUnits[] = {
      {seconds(365 * 86400), "y"}, {seconds(30 * 86400), "mo"}, {seconds(86400), "d"},
      {seconds(3600), "h"},        {seconds(60), "m"},          {seconds(1), "s"}};
  for (const auto& [unit, name] : kUnits)
    if (span > unit) return text(std::to_string(span / unit) + std::string(name));
  return text("0s");
}

constexpr Function kRows[] = {
    {"now", "", now},
    {"date", "sa", date, true},
    {"dateInZone", "sas", date_in_zone, true},
    {"date_in_zone", "sas", date_in_zone, true},
    {"htmlDate", "a", html_date},
    {"htmlDateInZone", "as", html_date_in_zone, true},
    {"dateModify", "st", modify<false>},
    {"date_modify", "st", modify<false>},
    {"mustDateModify", "st", modify<true>},
    {"must_date_modify", "st", modify<true>},
    {"toDate", "ss", to_date<false>, true},
    {"mustToDate", "ss", to_date<true>, true},
    {"unixEpoch", "t", unix_epoch},
    {"ago", "a", ago},
    {"duration", "a", duration},
    {"durationRound", "a", duration_round},
};

}  // namespace

std::span<const Function> sprig_date_rows() { return kRows; }

}  // namespace ingot::expr
