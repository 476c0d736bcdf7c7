#include "base/time.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

namespace ingot {
using namespace std::chrono;

namespace {
struct Split {
  year_month_day date;
  hh_mm_ss<microseconds> clock;
};
Split split(WallTime t) {
  const auto day = floor<days>(t);
  return {year_month_day{day}, hh_mm_ss<microseconds>{t - day}};
}

// Reads exactly `width` digits at `pos`.
std::optional<int> digits(std::string_view s, size_t pos, size_t width) {
  if (pos + width > s.size()) return std::nullopt;
  int value = 0;
  for (size_t i = pos; i < pos + width; ++i) {
    if (s[i] < '0' || s[i] > '9') return std::nullopt;
    value = value * 10 + (s[i] - '0');
  }
  return value;
}
}  // namespace

std::string to_rfc3339(WallTime t) {
  const auto [date, clock] = split(t);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", int(date.year()), unsigned(date.month()),
                     unsigned(date.day()), clock.hours().count(), clock.minutes().count(),
                     clock.seconds().count());
}

std::string to_rfc3339_micro(WallTime t) {
  const auto [date, clock] = split(t);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", int(date.year()), unsigned(date.month()),
                     unsigned(date.day()), clock.hours().count(), clock.minutes().count(),
                     clock.seconds().count(), clock.subseconds().count());
}

std::optional<WallTime> parse_rfc3339(std::string_view s) {
  const auto y = digits(s, 0, 4), mo = digits(s, 5, 2), d = digits(s, 8, 2);
  const auto h = digits(s, 11, 2), mi = digits(s, 14, 2), sec = digits(s, 17, 2);
  if (!y || !mo || !d || !h || !mi || !sec || s.size() < 20) return std::nullopt;
  if (s[4] != '-' || s[7] != '-' || (s[10] != 'T' && s[10] != 't') || s[13] != ':' || s[16] != ':')
    return std::nullopt;
  const year_month_day date{year(*y), month(unsigned(*mo)), day(unsigned(*d))};
  if (!date.ok() || *h > 23 || *mi > 59 || *sec > 60) return std::nullopt;
  size_t pos = 19;
  int64_t micros = 0;
  if (s[pos] == '.') {
    int64_t unit = 100000;
    const size_t first = ++pos;
    for (; pos < s.size() && s[pos] >= '0' && s[pos] <= '9'; ++pos, unit /= 10)
      micros += (s[pos] - '0') * unit;
    if (pos == first) return std::nullopt;
  }
  if (pos >= s.size()) return std::nullopt;
  minutes offset{0};
  if (s[pos] == 'Z' || s[pos] == 'z') {
    ++pos;
  } else {
    if (s[pos] != '+' && s[pos] != '-') return std::nullopt;
    const auto oh = digits(s, pos + 1, 2), om = digits(s, pos + 4, 2);
    if (!oh || !om || s[pos + 3] != ':' || *oh > 23 || *om > 59) return std::nullopt;
    offset = (hours(*oh) + minutes(*om)) * (s[pos] == '+' ? 1 : -1);
    pos += 6;
  }
  if (pos != s.size()) return std::nullopt;
  return WallTime{sys_days{date} + hours(*h) + minutes(*mi) + seconds(*sec) + microseconds(micros) - offset};
}

std::optional<Duration> parse_duration(std::string_view s) {
  if (s.empty()) return std::nullopt;
  if (s == "0") return Duration{0};
  struct Unit {
    std::string_view name;
    double ns;
  };
  static constexpr Unit kUnits[] = {{"ms", 1e6}, {"us", 1e3},   {"ns", 1},     {"s", 1e9},
                                    {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}};
  double total = 0;
  while (!s.empty()) {
    double number = 0;
    const auto [end, error] =
        std::from_chars(s.data(), s.data() + s.size(), number, std::chars_format::fixed);
    if (error != std::errc{} || number < 0) return std::nullopt;
    s.remove_prefix(size_t(end - s.data()));
    const Unit* unit = nullptr;
    for (const Unit& u : kUnits)
      if (s.starts_with(u.name)) {
        unit = &u;
        break;
      }
    if (!unit) return std::nullopt;
    s.remove_prefix(unit->name.size());
    total += number * unit->ns;
    if (total > 9e18) return std::nullopt;
  }
  return Duration{int64_t(total)};
}

std::string human_duration(Duration d) {
  const int64_t s = duration_cast<seconds>(d).count();
  if (s < 0) return "0s";
  if (s < 120) return fmt::format("{}s", s);
  const int64_t m = s / 60, h = m / 60, day = h / 24;
  if (m < 10) return s % 60 ? fmt::format("{}m{}s", m, s % 60) : fmt::format("{}m", m);
  if (m < 180) return fmt::format("{}m", m);
  if (h < 8) return m % 60 ? fmt::format("{}h{}m", h, m % 60) : fmt::format("{}h", h);
  if (h < 48) return fmt::format("{}h", h);
  if (h < 192) return h % 24 ? fmt::format("{}d{}h", day, h % 24) : fmt::format("{}d", day);
  if (day < 730) return fmt::format("{}d", day);
  if (day < 2920)
    return day % 365 ? fmt::format("{}y{}d", day / 365, day % 365) : fmt::format("{}y", day / 365);
  return fmt::format("{}y", day / 365);
}

}  // namespace ingot
