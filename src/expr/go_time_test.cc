#include "expr/go_time.h"

#include <gtest/gtest.h>

namespace ingot::expr {
namespace {

TEST(GoTime, Formats) {
  const WallTime time = *parse_rfc3339("2009-02-05T21:00:57.012345Z");
  struct {
    std::string_view layout, text;
  } const kCases[] = {
      {"Mon Jan _2 15:04:05 2006", "Thu Feb  5 21:00:57 2009"},
      {"Mon Jan _2 15:04:05 MST 2006", "Thu Feb  5 21:00:57 UTC 2009"},
      {"02 Jan 06 15:04 -0700", "05 Feb 09 21:00 +0000"},
      {"Monday, 02-Jan-06 15:04:05 MST", "Thursday, 05-Feb-09 21:00:57 UTC"},
      {"2006-01-02T15:04:05Z07:00", "2009-02-05T21:00:57Z"},
      {"3:04PM", "9:00PM"},
      {"3:4:5 pm", "9:0:57 pm"},
      {"05.000", "57.012"},
      {"05.999999", "57.012345"},
      {"January 1 002", "February 2 036"},
      {"Jane, day 2", "Jane, day 5"},
  };
  for (const auto& [layout, text] : kCases) EXPECT_EQ(format_time(layout, time), text) << layout;
}

TEST(GoTime, Parses) {
  struct {
    std::string_view layout, text, time;
  } const kCases[] = {
      {"2006-01-02", "2017-12-31", "2017-12-31T00:00:00Z"},
      {"2006-01-02T15:04:05Z07:00", "2017-12-31T01:02:03+01:00", "2017-12-31T00:02:03Z"},
      {"2006-01-02T15:04:05Z07:00", "2017-12-31T01:02:03.5Z", "2017-12-31T01:02:03Z"},
      {"Mon Jan _2 15:04:05 2006", "Thu Feb  5 21:00:57 2009", "2009-02-05T21:00:57Z"},
      {"02 Jan 06", "05 Feb 99", "1999-02-05T00:00:00Z"},
      {"3:04PM 2006", "9:05PM 2020", "2020-01-01T21:05:00Z"},
      {"2006-01-02", "2017-12-32", ""},
      {"2006-01-02", "2017-2-3", ""},
      {"2006-01-02", "2017-12-31T", ""},
      {"15:04", "25:00", ""},
  };
  for (const auto& [layout, text, wanted] : kCases) {
    const auto time = parse_time(layout, text);
    EXPECT_EQ(time ? to_rfc3339(*time) : "", wanted) << layout << " " << text;
  }
}

}  // namespace
}  // namespace ingot::expr
