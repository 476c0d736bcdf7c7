#include "base/zone.h"

#include <algorithm>
#include <charconv>

// INGOT_BASE_FACTS is the folder of the tables (room.cmake).
__asm__(".section .rodata\ningot_zone_facts_begin:\n.incbin \"" INGOT_BASE_FACTS
        "/zones.facts\"\ningot_zone_facts_end:\n"
        ".byte 0\n.previous\n");
extern "C" __attribute__((visibility("hidden"))) const char ingot_zone_facts_begin[], ingot_zone_facts_end[];

namespace ingot {
namespace {

using namespace std::chrono;

std::string_view next_part(std::string_view& rest, char end) {
  const size_t at = std::min(rest.find(end), rest.size());
  const std::string_view part = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return part;
}

int64_t number(std::string_view text) {
  int64_t n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

}  // namespace

sys_seconds Zone::Change::in(year y) const {
  const auto month_of = y / std::chrono::month(month);
  const std::chrono::weekday day(weekday);
  const sys_days on = week == 5 ? sys_days(month_of / day[last]) : sys_days(month_of / day[week]);
  return on + at;
}

std::optional<Zone> Zone::find(std::string_view name) {
  std::string_view rest(ingot_zone_facts_begin, size_t(ingot_zone_facts_end - ingot_zone_facts_begin));
  if (name.empty() || name.starts_with('#')) return std::nullopt;
  while (!rest.empty()) {
    std::string_view line = next_part(rest, '\n');
    if (line.starts_with(name) && line.substr(name.size()).starts_with(' '))
      return read(line.substr(name.size() + 1));
  }
  return std::nullopt;
}

std::optional<Zone> Zone::read(std::string_view line) {
  Zone zone;
  zone.standard_ = seconds(number(next_part(line, ' ')));
  const auto change = [&] {
    std::string_view text = next_part(line, ' ');
    Change c;
    c.month = unsigned(number(next_part(text, '.')));
    c.week = unsigned(number(next_part(text, '.')));
    c.weekday = unsigned(number(next_part(text, '/')));
    c.at = seconds(number(text));
    return c;
  };
  if (!line.empty() && !line.substr(0, line.find(' ')).contains(':')) {
    Daylight d{.offset = seconds(number(next_part(line, ' '))), .begins = change()};
    d.ends = change();
    zone.daylight_ = d;
  }
  while (!line.empty()) {
    std::string_view text = next_part(line, ' ');
    const sys_seconds when(seconds(number(next_part(text, ':'))));
    zone.announced_.emplace_back(when, seconds(number(text)));
  }
  return zone;
}

seconds Zone::offset(sys_seconds t) const {
  if (!announced_.empty() && t < announced_.back().first) {
    const auto after = std::ranges::upper_bound(announced_, t, {}, &decltype(announced_)::value_type::first);
    return after == announced_.begin() ? announced_.front().second : std::prev(after)->second;
  }
  if (!daylight_) return standard_;
  const year y = year_month_day(floor<days>(t + standard_)).year();
  const sys_seconds begins = daylight_->begins.in(y)-standard_,
                    ends = daylight_->ends.in(y)-daylight_->offset;
  const bool on = begins < ends ? t >= begins && t < ends : t >= begins || t < ends;
  return on ? daylight_->offset : standard_;
}

}  // namespace ingot
