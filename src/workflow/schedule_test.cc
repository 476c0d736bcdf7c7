#include "workflow/schedule.h"

#include <gmock/gmock.h>

namespace ingot::workflow {
namespace {

WallTime time(std::string_view text) {
  const auto read = parse_rfc3339(text);
  EXPECT_TRUE(read) << text;
  return read.value_or(WallTime{});
}

std::string next(std::string_view schedule, std::string_view after, std::string_view zone = "") {
  const auto read =
      Schedule::parse(schedule, zone.empty() ? std::nullopt : std::optional(Zone::find(zone).value()));
  if (!read) return read.error();
  const auto found = read->next(time(after), time("2026-01-01T00:00:00Z"));
  return found ? to_rfc3339(*found) : "never";
}

std::string refused(std::string_view schedule) {
  const auto read = Schedule::parse(schedule);
  return read ? "" : read.error();
}

TEST(Schedule, FiveFieldsSayWhen) {
  EXPECT_EQ(next("* * * * *", "2026-01-02T03:04:05Z"), "2026-01-02T03:05:00Z");
  EXPECT_EQ(next("*/15 * * * *", "2026-01-02T03:45:00Z"), "2026-01-02T04:00:00Z");
  EXPECT_EQ(next("30 2 * * *", "2026-01-02T02:30:00Z"), "2026-01-03T02:30:00Z");
  EXPECT_EQ(next("5/20 8-10,22 * * *", "2026-01-02T10:45:00Z"), "2026-01-02T22:05:00Z");
  EXPECT_EQ(next("0 0 1 feb ?", "2026-03-01T00:00:00Z"), "2027-02-01T00:00:00Z");
  EXPECT_EQ(next("0 9 * * Mon-FRI", "2026-01-02T09:00:00Z"), "2026-01-05T09:00:00Z");
  EXPECT_EQ(next("0 0 29 2 *", "2026-01-01T00:00:00Z"), "2028-02-29T00:00:00Z");
  EXPECT_EQ(next("0 0 30 2 *", "2026-01-01T00:00:00Z"), "never");
}

TEST(Schedule, OfTwoKindsOfDaysEitherWillDo) {
  EXPECT_EQ(next("0 0 13 * 5", "2026-01-02T00:00:00Z"), "2026-01-09T00:00:00Z");   // a Friday
  EXPECT_EQ(next("0 0 13 * 5", "2026-01-09T00:00:00Z"), "2026-01-13T00:00:00Z");   // the 13th
  EXPECT_EQ(next("0 0 */1 * 5", "2026-01-02T00:00:00Z"), "2026-01-09T00:00:00Z");  // every day is no choice
}

TEST(Schedule, DescriptorsAreShort) {
  EXPECT_EQ(next("@hourly", "2026-01-02T03:04:05Z"), "2026-01-02T04:00:00Z");
  EXPECT_EQ(next("@daily", "2026-01-02T03:04:05Z"), "2026-01-03T00:00:00Z");
  EXPECT_EQ(next("@midnight", "2026-01-02T03:04:05Z"), "2026-01-03T00:00:00Z");
  EXPECT_EQ(next("@weekly", "2026-01-02T03:04:05Z"), "2026-01-04T00:00:00Z");
  EXPECT_EQ(next("@monthly", "2026-01-02T03:04:05Z"), "2026-02-01T00:00:00Z");
  EXPECT_EQ(next("@annually", "2026-01-02T03:04:05Z"), "2027-01-01T00:00:00Z");
}

TEST(Schedule, EveryCountsFromItsAnchor) {
  EXPECT_EQ(next("@every 1h30m", "2026-01-01T00:00:00Z"), "2026-01-01T01:30:00Z");
  EXPECT_EQ(next("@every 1h30m", "2026-01-01T01:30:00Z"), "2026-01-01T03:00:00Z");
  EXPECT_EQ(next("@every 7s", "2026-01-01T00:00:10Z"), "2026-01-01T00:00:14Z");
  EXPECT_EQ(next("@every 1ms", "2026-01-01T00:00:10Z"), "2026-01-01T00:00:11Z");
}

TEST(Schedule, IsOfATimeZone) {
  EXPECT_EQ(next("0 9 * * *", "2026-07-01T00:00:00Z", "Europe/Berlin"), "2026-07-01T07:00:00Z");
  EXPECT_EQ(next("CRON_TZ=Asia/Tokyo 0 9 * * *", "2026-07-01T00:00:00Z"), "2026-07-02T00:00:00Z");
  EXPECT_EQ(next("0 0 1 * *", "2026-07-01T00:00:00Z", "Pacific/Kiritimati"), "2026-07-31T10:00:00Z");
}

TEST(Schedule, WhereTheClockIsPutForwardATimeIsLeftOut) {
  EXPECT_EQ(next("30 2 * * *", "2026-03-28T12:00:00Z", "Europe/Berlin"), "2026-03-30T00:30:00Z");
  EXPECT_EQ(next("0 3 * * *", "2026-03-28T12:00:00Z", "Europe/Berlin"), "2026-03-29T01:00:00Z");
  // Lebanon's midnight of that day in 2026 does not exist; its one o'clock does.
  EXPECT_EQ(next("0 0 29 3 *", "2026-03-28T12:00:00Z", "Asia/Beirut"), "2027-03-28T21:00:00Z");
  EXPECT_EQ(next("0 1 29 3 *", "2026-03-28T12:00:00Z", "Asia/Beirut"), "2026-03-28T22:00:00Z");
}

TEST(Schedule, WhereItIsPutBackATimeComesTwice) {
  EXPECT_EQ(next("30 2 * * *", "2026-10-24T12:00:00Z", "Europe/Berlin"), "2026-10-25T00:30:00Z");
  EXPECT_EQ(next("30 2 * * *", "2026-10-25T00:30:00Z", "Europe/Berlin"), "2026-10-25T01:30:00Z");
  EXPECT_EQ(next("30 2 * * *", "2026-10-25T01:30:00Z", "Europe/Berlin"), "2026-10-26T01:30:00Z");
}

// Against every minute looked at one by one.
TEST(Schedule, LeavesOutNothing) {
  for (const char* zone : {"UTC", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Beirut"})
    for (const char* text : {"7,33 */5 * * *", "0 0 * * 0", "59 23 28-31 * *", "15 1 */7 3,10 *"}) {
      const auto z = Zone::find(zone);
      const auto schedule = Schedule::parse(text, z);
      ASSERT_TRUE(schedule) << schedule.error();
      const auto every_minute = Schedule::parse("* * * * *", z);
      WallTime at = time("2026-03-01T00:00:00Z"), last = at;
      const WallTime end = time("2026-11-15T00:00:00Z");
      size_t found = 0;
      while (const auto due = schedule->next(at, at)) {
        EXPECT_GT(*due, at);
        at = *due;
        if (at > end) break;
        ++found;
        last = at;
        EXPECT_EQ(schedule->latest(at - std::chrono::minutes(1), at + std::chrono::seconds(30), at), at);
      }
      EXPECT_GT(found, 5u) << zone << " " << text;
      EXPECT_EQ(schedule->latest(time("2026-03-01T00:00:00Z"), end, end), last) << zone << " " << text;
      EXPECT_EQ(every_minute->next(last, last), last + std::chrono::minutes(1));
    }
}

TEST(Schedule, TheLastOfManyIsFoundAtOnce) {
  const auto s = Schedule::parse("* * * * *");
  EXPECT_EQ(s->latest(time("2025-01-01T00:00:00Z"), time("2029-06-07T08:09:10Z"), {}),
            time("2029-06-07T08:09:00Z"));
  EXPECT_EQ(s->latest(time("2026-01-01T00:00:00Z"), time("2026-01-01T00:00:59Z"), {}), std::nullopt);
  EXPECT_EQ(s->latest(time("2026-01-01T00:00:00Z"), time("2026-01-01T00:01:00Z"), {}),
            time("2026-01-01T00:01:00Z"));
  const auto every = Schedule::parse("@every 10s");
  const WallTime anchor = time("2026-01-01T00:00:00Z");
  EXPECT_EQ(every->latest(anchor, time("2027-01-01T00:00:09Z"), anchor), time("2027-01-01T00:00:00Z"));
}

TEST(Schedule, SaysWhatIsWrong) {
  EXPECT_EQ(refused(""), "empty");
  EXPECT_EQ(refused("* * * *"),
            "5 fields are expected (minute, hour, day of month, month, day of week), found 4");
  EXPECT_EQ(refused("60 * * * *"), "minute: \"60\" is no range within 0 to 59");
  EXPECT_EQ(refused("* 5-3 * * *"), "hour: \"5-3\" is no range within 0 to 23");
  EXPECT_EQ(refused("* * 0 * *"), "day of month: \"0\" is no range within 1 to 31");
  EXPECT_EQ(refused("* * * foo *"), "month: \"foo\" is not a number");
  EXPECT_EQ(refused("* * * * 7"), "day of week: \"7\" is no range within 0 to 6");
  EXPECT_EQ(refused("*/0 * * * *"), "minute: the step of \"*/0\" is 0");
  EXPECT_EQ(refused("1-2-3 * * * *"), "minute: \"2-3\" is not a number");
  EXPECT_EQ(refused("1/2/3 * * * *"), "minute: \"2/3\" is not a number");
  EXPECT_EQ(refused("99999999999999999999 * * * *"), "minute: \"99999999999999999999\" is not a number");
  EXPECT_EQ(refused(", * * * *"), "minute: \",\" names no time");
  EXPECT_EQ(refused("@fortnightly").substr(0, 32), "unknown descriptor @fortnightly;");
  EXPECT_EQ(refused("@every x"), "\"x\" is not a duration such as 1h30m");
  EXPECT_EQ(refused("CRON_TZ=Mars/Base * * * * *"), "unknown time zone \"Mars/Base\"");
  EXPECT_EQ(refused("CRON_TZ=UTC"), "empty");
  EXPECT_EQ(refused(std::string(2'000, '*')), "longer than 1024 bytes");
}

}  // namespace
}  // namespace ingot::workflow
