#include "base/zone.h"

#include <gtest/gtest.h>

#include "base/time.h"

namespace ingot {
namespace {

// Hours east of UTC then.
double offset(std::string_view zone, std::string_view when) {
  const auto found = Zone::find(zone);
  EXPECT_TRUE(found) << zone;
  const auto time = parse_rfc3339(when);
  return found && time ? double(found->offset(std::chrono::floor<std::chrono::seconds>(*time)).count()) / 3600
                       : -99;
}

TEST(Zone, IsFoundByItsNameAlone) {
  EXPECT_TRUE(Zone::find("Europe/Berlin"));
  EXPECT_TRUE(Zone::find("UTC"));
  for (const char* name : {"", "Europe", "europe/berlin", "Mars/Base", "Europe/Berlin ", "#", "# time",
                           "../../etc/passwd", "Africa/Abidjan 0"})
    EXPECT_FALSE(Zone::find(name)) << name;
}

TEST(Zone, ChangesAtTheSecond) {
  EXPECT_EQ(offset("Europe/Berlin", "2026-03-29T00:59:59Z"), 1);
  EXPECT_EQ(offset("Europe/Berlin", "2026-03-29T01:00:00Z"), 2);
  EXPECT_EQ(offset("Europe/Berlin", "2026-10-25T00:59:59Z"), 2);
  EXPECT_EQ(offset("Europe/Berlin", "2026-10-25T01:00:00Z"), 1);
  EXPECT_EQ(offset("America/New_York", "2050-03-13T06:59:59Z"), -5);
  EXPECT_EQ(offset("America/New_York", "2050-03-13T07:00:00Z"), -4);
}

TEST(Zone, SouthOfTheEquatorSummerIsAtTheTurnOfTheYear) {
  EXPECT_EQ(offset("Australia/Sydney", "2027-01-01T00:00:00Z"), 11);
  EXPECT_EQ(offset("Australia/Sydney", "2027-07-01T00:00:00Z"), 10);
  EXPECT_EQ(offset("Australia/Lord_Howe", "2027-01-01T00:00:00Z"), 11);
  EXPECT_EQ(offset("Australia/Lord_Howe", "2027-07-01T00:00:00Z"), 10.5);
}

TEST(Zone, SomeHaveNoSummerOrAnOddOne) {
  EXPECT_EQ(offset("Asia/Kolkata", "2027-07-01T00:00:00Z"), 5.5);
  EXPECT_EQ(offset("Europe/Dublin", "2027-01-01T00:00:00Z"), 0);  // whose standard time is summer's
  EXPECT_EQ(offset("Europe/Dublin", "2027-07-01T00:00:00Z"), 1);
  EXPECT_EQ(offset("Africa/Casablanca", "2027-02-20T00:00:00Z"), 0);  // Ramadan
  EXPECT_EQ(offset("Africa/Casablanca", "2027-04-01T00:00:00Z"), 1);
}

}  // namespace
}  // namespace ingot
