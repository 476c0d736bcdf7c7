#include "workflow/schedule.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <vector>

namespace ingot::workflow {
namespace {

using namespace std::chrono;

constexpr days kFarthest(5 * 366);
constexpr std::string_view kSpaces = " \t\n\v\f\r";

constexpr std::string_view kMonths[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                        "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::string_view kWeekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

constexpr std::pair<std::string_view, std::string_view> kDescriptors[] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
    {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@hourly", "0 * * * *"},
};

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }

std::vector<std::string_view> split(std::string_view text, std::string_view at) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t begin = text.find_first_not_of(at);
    if (begin == text.npos) return parts;
    const size_t end = std::min(text.find_first_of(at, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  return out;
}

}  // namespace

struct Schedule::Bounds {
  std::string_view name;
  unsigned min, max;
  std::span<const std::string_view> names;

  std::expected<unsigned, std::string> number(std::string_view text) const {
    const auto named = std::ranges::find(names, lower(text));
    if (named != names.end()) return min + unsigned(named - names.begin());
    unsigned n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (text.empty() || error != std::errc() || end != text.data() + text.size())
      return wrong(std::string(name) + ": \"" + std::string(text) + "\" is not a number");
    return n;
  }
};

// "5", "1-5", "*/10", "5/10".
std::expected<Schedule::Field, std::string> Schedule::range(std::string_view text, const Bounds& bounds) {
  const size_t slash = text.find('/');
  const std::string_view span = text.substr(0, slash);
  const size_t dash = span.find('-');
  Field out;
  unsigned first = bounds.min, last = bounds.max, step = 1;
  if (span.substr(0, dash) == "*" || span.substr(0, dash) == "?") {
    out.any = true;
  } else {
    const auto from = bounds.number(span.substr(0, dash));
    if (!from) return wrong(from.error());
    const auto to = dash == span.npos ? from : bounds.number(span.substr(dash + 1));
    if (!to) return wrong(to.error());
    first = *from;
    last = dash == span.npos && slash != text.npos ? bounds.max : *to;
  }
  if (slash != text.npos) {
    const auto by =
        Bounds{.name = bounds.name, .min = 0, .max = 0, .names = {}}.number(text.substr(slash + 1));
    if (!by) return wrong(by.error());
    step = *by;
    if (step > 1) out.any = false;
  }
  const std::string limits = std::to_string(bounds.min) + " to " + std::to_string(bounds.max);
  if (first < bounds.min || last > bounds.max || first > last)
    return wrong(std::string(bounds.name) + ": \"" + std::string(text) + "\" is no range within " + limits);
  if (step == 0) return wrong(std::string(bounds.name) + ": the step of \"" + std::string(text) + "\" is 0");
  for (uint64_t n = first; n <= last; n += step) out.bits |= uint64_t(1) << n;
  return out;
}

std::expected<Schedule::Field, std::string> Schedule::field(std::string_view text, const Bounds& bounds) {
  Field out;
  for (const std::string_view part : split(text, ",")) {
    const auto one = range(part, bounds);
    if (!one) return wrong(one.error());
    out.bits |= one->bits;
    out.any |= one->any;
  }
  if (out.bits == 0) return wrong(std::string(bounds.name) + ": \"" + std::string(text) + "\" names no time");
  return out;
}

std::expected<Schedule, std::string> Schedule::parse(std::string_view text, const std::optional<Zone>& zone) {
  if (text.size() > 1'024) return wrong("longer than 1024 bytes");
  Schedule out;
  out.zone_ = zone.value_or(Zone());
  if (text.starts_with("TZ=") || text.starts_with("CRON_TZ=")) {
    const size_t begin = text.find('=') + 1, end = std::min(text.find(' '), text.size());
    const std::string_view name = text.substr(begin, end - begin);
    const auto found = Zone::find(name);
    if (!found) return wrong("unknown time zone \"" + std::string(name) + "\"");
    if (zone) return wrong("the time zone is named twice");
    out.zone_ = *found;
    text.remove_prefix(end);
  }
  const size_t begin = text.find_first_not_of(kSpaces);
  if (begin == text.npos) return wrong("empty");
  text = text.substr(begin, text.find_last_not_of(kSpaces) + 1 - begin);
  if (text.starts_with("@every ")) {
    std::string_view span = text.substr(7);
    span.remove_prefix(std::min(span.find_first_not_of(kSpaces), span.size()));
    const auto every = span.contains('d') ? std::nullopt : parse_duration(span);
    if (!every || *every < Duration(0))
      return wrong("\"" + std::string(span) + "\" is not a duration such as 1h30m");
    out.every_ = std::max(floor<seconds>(*every), seconds(1));
    return out;
  }
  if (text.starts_with('@')) {
    const auto found =
        std::ranges::find(kDescriptors, text, &std::pair<std::string_view, std::string_view>::first);
    if (found == std::end(kDescriptors))
      return wrong("unknown descriptor " + std::string(text) +
                   "; there are @yearly, @monthly, @weekly, @daily, @hourly and @every DURATION");
    text = found->second;
  }
  const auto parts = split(text, kSpaces);
  if (parts.size() != 5)
    return wrong("5 fields are expected (minute, hour, day of month, month, day of week), found " +
                 std::to_string(parts.size()));
  static constexpr Bounds kBounds[] = {{"minute", 0, 59, {}},
                                       {"hour", 0, 23, {}},
                                       {"day of month", 1, 31, {}},
                                       {"month", 1, 12, kMonths},
                                       {"day of week", 0, 6, kWeekdays}};
  Field* const fields[] = {&out.minute_, &out.hour_, &out.day_, &out.month_, &out.weekday_};
  for (size_t i = 0; i < std::size(kBounds); ++i) {
    auto read = field(parts[i], kBounds[i]);
    if (!read) return wrong(read.error());
    *fields[i] = *read;
  }
  return out;
}

// Of day of month and day of week, where both are given, either will do.
bool Schedule::on(sys_days local) const {
  const year_month_day date(local);
  if (!month_.has(unsigned(date.month()))) return false;
  const bool day = day_.has(unsigned(date.day())), week = weekday_.has(weekday(local).c_encoding());
  return day_.any || weekday_.any ? day && week : day || week;
}

// When the day after that of `t` begins there. Where the clock is put forward at midnight, there is no midnight.
sys_seconds Schedule::next_day(sys_seconds t) const {
  const seconds here = zone_.offset(t);
  const sys_days today = floor<days>(t + here);
  const sys_seconds midnight = today + days(1);
  const sys_seconds guess = midnight - here;
  if (zone_.offset(guess) == here && zone_.offset(guess - seconds(1)) == here) return guess;
  sys_seconds at = std::max(t, std::min(guess, midnight - zone_.offset(guess)) - hours(1));
  at = floor<minutes>(at);
  do at += minutes(1);
  while (floor<days>(at + zone_.offset(at)) <= today);
  return at;
}

std::optional<WallTime> Schedule::next(WallTime after, WallTime anchor) const {
  return first(after, after + kFarthest, anchor);
}

std::optional<WallTime> Schedule::first(WallTime after, WallTime until, WallTime anchor) const {
  if (every_ > seconds(0)) {
    const sys_seconds from = floor<seconds>(anchor);
    const int64_t passed = after < from ? 0 : (floor<seconds>(after) - from) / every_;
    const WallTime at = from + every_ * (passed + 1);
    return at <= until ? std::optional(at) : std::nullopt;
  }
  sys_seconds t = floor<minutes>(after) + minutes(1);
  while (t <= until) {
    const sys_seconds local = t + zone_.offset(t);
    const sys_days day = floor<days>(local);
    const auto minute_of_day = floor<minutes>(local - day);
    const unsigned hour = unsigned(minute_of_day.count() / 60), minute = unsigned(minute_of_day.count() % 60);
    if (!on(day))
      t = next_day(t);
    else if (!hour_.has(hour))
      t += minutes(60 - minute);
    else if (!minute_.has(minute))
      t += minutes(1);
    else
      return t;
  }
  return std::nullopt;
}

std::optional<WallTime> Schedule::latest(WallTime after, WallTime until, WallTime anchor) const {
  auto found = first(after, until, anchor);
  if (!found) return found;
  // Whatever lies before the last still has one after it.
  WallTime low = *found, high = until;
  while (high - low > seconds(1)) {
    const WallTime middle = low + (high - low) / 2;
    if (const auto later = first(middle, until, anchor)) {
      found = later;
      low = *later;
    } else {
      high = middle;
    }
  }
  const auto last = first(low, until, anchor);
  return last ? last : found;
}

}  // namespace ingot::workflow
