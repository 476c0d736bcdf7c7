#include <gtest/gtest.h>

#include "base/encoding.h"
#include "base/error.h"
#include "base/quantity.h"
#include "base/text_map.h"
#include "base/time.h"

namespace ingot {
namespace {

TEST(TextMap, IsLookedUpByHashAndWalkedInOrder) {
  TextMap<int> map;
  for (int i = 99; i >= 0; --i) EXPECT_TRUE(map.try_emplace("k" + std::to_string(i), i).second);
  EXPECT_FALSE(map.try_emplace("k7", 0).second);
  EXPECT_EQ(map.begin()->first, "k0");
  EXPECT_EQ(map.lower_bound("k9")->first, "k9");
  map["k7"] = 70;
  EXPECT_EQ(map.erase("k8"), 1u);
  map.erase(map.find("k9"));
  EXPECT_EQ(map.find("k8"), map.end());
  EXPECT_EQ(map.find("k9"), map.end());
  EXPECT_EQ(map.find("k7")->second, 70);
}

TEST(TextMap, ACopyLooksIntoItself) {
  TextMap<int> map;
  map["a"] = 1;
  TextMap<int> copy = map;
  map.clear();
  ASSERT_NE(copy.find("a"), copy.end());
  EXPECT_EQ(&*copy.find("a"), &*copy.begin());
  TextMap<int> moved = std::move(copy);
  EXPECT_EQ(moved.find("a")->second, 1);
  moved = {};
  EXPECT_EQ(moved.find("a"), moved.end());
}

TEST(Quantity, ReadsUpstreamForms) {
  const std::pair<const char*, int64_t> kCases[] = {
      {"1", 1000},      {"500m", 500},    {"0.5", 500},
      {"1Ki", 1024000}, {"1e3", 1000000}, {"1.5Gi", 1610612736000},
      {"100n", 1},      {"-2", -2000},    {"2k", 2000000}};
  for (const auto& [text, milli] : kCases) {
    ASSERT_TRUE(Quantity::parse(text)) << text;
    EXPECT_EQ(Quantity::parse(text)->milli, milli) << text;
  }
}

TEST(Quantity, RefusesWhatIsNotOne) {
  for (const char* text : {"", "x", "1x", "1.2.3", "e3", "Gi", "1 Gi", "--1", "1e99"})
    EXPECT_FALSE(Quantity::parse(text)) << text;
}

TEST(Quantity, SaturatesInsteadOfOverflowing) {
  EXPECT_EQ(Quantity::parse("999999999999Ei")->milli, INT64_MAX);
}

TEST(Time, RoundTripsRfc3339) {
  const auto t = parse_rfc3339("2026-11-22T14:20:00.123456Z");
  ASSERT_TRUE(t);
  EXPECT_EQ(to_rfc3339(*t), "2026-11-22T14:20:00Z");
  EXPECT_EQ(to_rfc3339_micro(*t), "2026-11-22T14:20:00.123456Z");
  EXPECT_EQ(parse_rfc3339("2026-11-22T15:20:00.123456+01:00"), t);
  for (const char* bad :
       {"", "2026-11-22", "2026-13-01T00:00:00Z", "2026-11-22T14:20:00", "2026-11-22T14:20:00.Z"})
    EXPECT_FALSE(parse_rfc3339(bad)) << bad;
}

TEST(Time, ReadsDurations) {
  using namespace std::chrono_literals;
  EXPECT_EQ(parse_duration("1h30m"), Duration(90min));
  EXPECT_EQ(parse_duration("250ms"), Duration(250ms));
  EXPECT_EQ(parse_duration("7d"), Duration(168h));
  for (const char* bad : {"", "5", "h", "-1s", "1y"}) EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(Encoding, Base64RoundTripsAndRefusesGarbage) {
  for (const char* text : {"", "a", "ab", "abc", "abcd"}) {
    EXPECT_EQ(parse_base64(base64(text)), text);
    EXPECT_EQ(parse_base64url(base64url(text)), text);
  }
  EXPECT_FALSE(parse_base64("a==="));
  EXPECT_FALSE(parse_base64("ab!="));
  EXPECT_FALSE(parse_base64("YWJj="));
}

TEST(Encoding, PercentDecodesStrictly) {
  EXPECT_EQ(percent_decode("a%2Fb+c", false), "a/b+c");
  EXPECT_EQ(percent_decode("a+b", true), "a b");
  EXPECT_FALSE(percent_decode("%2", false));
  EXPECT_FALSE(percent_decode("%zz", false));
}

TEST(Error, CodesMatchReasons) {
  EXPECT_EQ(http_code(Reason::Expired), 410);
  EXPECT_EQ(to_string(Reason::Timeout), "Timeout");
}

}  // namespace
}  // namespace ingot
