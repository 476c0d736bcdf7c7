#include "expr/go_time.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace ingot::expr {
namespace {

using namespace std::chrono;

constexpr std::string_view kMonths[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};
constexpr std::string_view kDays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                      "Thursday", "Friday", "Saturday"};
// The longer of two that begin alike comes first.
constexpr std::string_view kParts[] = {
    "January", "Jan",   "Monday", "Mon",       "MST",     "2006",   "Z07:00:00", "Z070000",
    "Z07:00",  "Z0700", "Z07",    "-07:00:00", "-070000", "-07:00", "-0700",     "-07",
    "002",     "01",    "02",     "03",        "04",      "05",     "06",        "15",
    "_2",      "PM",    "pm",     "1",         "2",       "3",      "4",         "5"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The part of a layout that `rest` begins with; "": a letter that stands for itself.
std::string_view part_at(std::string_view rest) {
  if ((rest[0] == '.' || rest[0] == ',') && rest.size() > 1 && (rest[1] == '0' || rest[1] == '9')) {
    size_t end = rest.find_first_not_of(rest[1], 1);
    if (end == rest.npos) end = rest.size();
    if (end == rest.size() || !is_digit(rest[end])) return rest.substr(0, end);
  }
  for (const std::string_view part : kParts)
    if (rest.starts_with(part)) {
      if (part == "_2" && rest.starts_with("_2006")) continue;
      if ((part == "Jan" || part == "Mon") && rest.size() > 3 && rest[3] >= 'a' && rest[3] <= 'z') continue;
      return part;
    }
  return {};
}

struct Split {
  year_month_day date;
  hh_mm_ss<microseconds> clock;
  weekday day;
  int day_of_year;
};
Split split(WallTime time) {
  const auto day = floor<days>(time);
  const year_month_day date{day};
  return {date, hh_mm_ss<microseconds>{time - day}, weekday{day},
          int((day - sys_days{date.year() / January / 1}).count()) + 1};
}

std::string fraction(std::string_view part, int64_t micros) {
  std::string digits = fmt::format("{:06}000", micros).substr(0, part.size() - 1);
  digits.resize(part.size() - 1, '0');
  if (part[1] == '9')
    while (!digits.empty() && digits.back() == '0') digits.pop_back();
  return digits.empty() ? "" : part[0] + digits;
}

std::string zone(std::string_view part) {
  if (part[0] == 'Z') return "Z";
  std::string out = "+";
  for (const char c : part.substr(1)) out += c == ':' ? ':' : '0';
  return out;
}

std::string written(std::string_view part, const Split& t) {
  const int year = int(t.date.year());
  const unsigned month = unsigned(t.date.month()), day = unsigned(t.date.day());
  const int hour = int(t.clock.hours().count()), hour12 = hour % 12 == 0 ? 12 : hour % 12;
  const int minute = int(t.clock.minutes().count()), second = int(t.clock.seconds().count());
  if (part[0] == '.' || part[0] == ',') return fraction(part, t.clock.subseconds().count());
  if (part[0] == 'Z' || part[0] == '-') return zone(part);
  if (part == "January") return std::string(kMonths[month - 1]);
  if (part == "Jan") return std::string(kMonths[month - 1].substr(0, 3));
  if (part == "Monday") return std::string(kDays[t.day.c_encoding()]);
  if (part == "Mon") return std::string(kDays[t.day.c_encoding()].substr(0, 3));
  if (part == "MST") return "UTC";
  if (part == "2006") return fmt::format("{:04}", year);
  if (part == "06") return fmt::format("{:02}", year % 100);
  if (part == "002") return fmt::format("{:03}", t.day_of_year);
  if (part == "01") return fmt::format("{:02}", month);
  if (part == "1") return std::to_string(month);
  if (part == "02") return fmt::format("{:02}", day);
  if (part == "_2") return fmt::format("{:2}", day);
  if (part == "2") return std::to_string(day);
  if (part == "15") return fmt::format("{:02}", hour);
  if (part == "03") return fmt::format("{:02}", hour12);
  if (part == "3") return std::to_string(hour12);
  if (part == "04") return fmt::format("{:02}", minute);
  if (part == "4") return std::to_string(minute);
  if (part == "05") return fmt::format("{:02}", second);
  if (part == "5") return std::to_string(second);
  return part == "PM" ? (hour < 12 ? "AM" : "PM") : hour < 12 ? "am" : "pm";
}

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool literal(char c) {
    if (c != ' ' || rest_.empty())
      return c == ' ' || (rest_.starts_with(c) && (rest_.remove_prefix(1), true));
    const bool any = rest_[0] == ' ';
    rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size()));
    return any;
  }

  bool part(std::string_view part) {
    const bool seconds = part == "05" || part == "5";
    if (part[0] == '.' || part[0] == ',') return fraction(part[1] == '0' ? part.size() - 1 : 0);
    if (part[0] == 'Z' || part[0] == '-') return offset(part);
    if (part == "January" || part == "Jan") return word(kMonths, part == "Jan", month_);
    if (part == "Monday" || part == "Mon") {
      int ignored = 0;
      return word(kDays, part == "Mon", ignored);
    }
    if (part == "MST") return abbreviation();
    if (part == "2006") return number(4, 4, year_);
    if (part == "06") return number(2, 2, year_) && (year_ += year_ >= 69 ? 1900 : 2000, true);
    if (part == "002") return number(3, 3, day_of_year_) && day_of_year_ >= 1 && day_of_year_ <= 366;
    if (part == "01" || part == "1") return number(part.size(), 2, month_);
    if (part == "_2") return rest_.remove_prefix(rest_.starts_with(' ')), number(1, 2, day_);
    if (part == "02" || part == "2") return number(part.size(), 2, day_);
    if (part == "15" || part == "03" || part == "3")
      return number(part == "3" ? 1 : 2, 2, hour_) && hour_ < 24;
    if (part == "04" || part == "4") return number(part.size(), 2, minute_) && minute_ < 60;
    if (seconds) {
      if (!number(part.size(), 2, second_) || second_ > 59) return false;
      // A fraction may follow that the layout does not speak of.
      return !(rest_.size() > 1 && rest_[0] == '.' && is_digit(rest_[1])) || fraction(0);
    }
    return half(part);
  }

  std::optional<WallTime> time() const {
    if (!rest_.empty()) return std::nullopt;
    const year_month_day date{year(year_), month(unsigned(month_)), day(unsigned(day_))};
    if (!date.ok() || (half_ != Half::None && (hour_ > 12 || hour_ == 0))) return std::nullopt;
    int hour = hour_;
    if (half_ != Half::None) hour = hour_ % 12 + (half_ == Half::Afternoon ? 12 : 0);
    sys_days on{date};
    if (day_of_year_ > 0) on = sys_days{date.year() / January / 1} + days(day_of_year_ - 1);
    return WallTime(on + hours(hour) + minutes(minute_) + seconds(second_) + microseconds(micros_) -
                    minutes(offset_));
  }

 private:
  enum class Half : uint8_t { None, Morning, Afternoon };

  bool number(size_t least, size_t most, int& out) {
    size_t size = 0;
    out = 0;
    while (size < most && size < rest_.size() && is_digit(rest_[size]))
      out = out * 10 + (rest_[size++] - '0');
    rest_.remove_prefix(size);
    return size >= least;
  }
  template <size_t N>
  bool word(const std::string_view (&words)[N], bool brief, int& out) {
    for (size_t i = 0; i < N; ++i) {
      const std::string_view one = brief ? words[i].substr(0, 3) : words[i];
      const std::string_view here = rest_.substr(0, one.size());
      if (!std::ranges::equal(one, here, [](char a, char b) { return (a | 0x20) == (b | 0x20); })) continue;
      rest_.remove_prefix(one.size());
      return out = int(i) + 1, true;
    }
    return false;
  }
  bool fraction(size_t exactly) {
    if (!rest_.starts_with('.') && !rest_.starts_with(',')) return exactly == 0;
    size_t size = 1;
    int64_t unit = 100'000;
    for (; size < rest_.size() && is_digit(rest_[size]); ++size, unit /= 10)
      micros_ += (rest_[size] - '0') * unit;
    rest_.remove_prefix(size);
    return size > 1 && (exactly == 0 || size - 1 == exactly);
  }
  bool offset(std::string_view part) {
    if (part[0] == 'Z' && rest_.starts_with('Z')) return rest_.remove_prefix(1), true;
    const bool colons = part.contains(':');
    if (rest_.empty() || (rest_[0] != '+' && rest_[0] != '-')) return false;
    const int sign = rest_[0] == '-' ? -1 : 1;
    rest_.remove_prefix(1);
    int figures[3] = {0, 0, 0};
    const size_t digits = size_t(std::ranges::count_if(part, is_digit));
    for (size_t i = 0; i < digits / 2; ++i)
      if ((i > 0 && colons && !literal(':')) || !number(2, 2, figures[i])) return false;
    offset_ = sign * (figures[0] * 60 + figures[1]);
    return figures[0] < 24 && figures[1] < 60;
  }
  bool abbreviation() {
    size_t size = 0;
    while (size < rest_.size() && size < 5 && rest_[size] >= 'A' && rest_[size] <= 'Z') ++size;
    rest_.remove_prefix(size);
    return size >= 3;
  }
  bool half(std::string_view part) {
    const std::string_view here = rest_.substr(0, 2);
    const bool large = part == "PM", before = here == (large ? "AM" : "am");
    if (!before && here != (large ? "PM" : "pm")) return false;
    half_ = before ? Half::Morning : Half::Afternoon;
    rest_.remove_prefix(2);
    return true;
  }

  std::string_view rest_;
  int year_ = 0, month_ = 1, day_ = 1, hour_ = 0, minute_ = 0, second_ = 0, day_of_year_ = 0, offset_ = 0;
  int64_t micros_ = 0;
  Half half_ = Half::None;
};

}  // namespace

std::string format_time(std::string_view layout, WallTime time) {
  const Split t = split(time);
  std::string out;
  for (size_t i = 0; i < layout.size();) {
    const std::string_view part = part_at(layout.substr(i));
    if (part.empty())
      out += layout[i++];
    else
      out += written(part, t), i += part.size();
  }
  return out;
}

std::optional<WallTime> parse_time(std::string_view layout, std::string_view text) {
  Reader reader(text);
  for (size_t i = 0; i < layout.size();) {
    const std::string_view part = part_at(layout.substr(i));
    if (!(part.empty() ? reader.literal(layout[i]) : reader.part(part))) return std::nullopt;
    i += std::max<size_t>(part.size(), 1);
  }
  return reader.time();
}

std::string printed_duration(std::chrono::seconds span) {
  const bool negative = span.count() < 0;
  const uint64_t all = negative ? -uint64_t(span.count()) : uint64_t(span.count());
  const uint64_t h = all / 3600, m = all / 60 % 60, s = all % 60;
  std::string out = negative ? "-" : "";
  if (h) out += std::to_string(h) + "h";
  if (h || m) out += std::to_string(m) + "m";
  return out + std::to_string(s) + "s";
}

}  // namespace ingot::expr
