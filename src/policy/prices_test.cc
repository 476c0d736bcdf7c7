#include "policy/prices.h"

#include <gmock/gmock.h>

namespace ingot::policy {
namespace {

using api::Json;
using namespace std::chrono_literals;

TEST(Prices, ReadsDecimalTextAndNothingElse) {
  EXPECT_EQ(parse_price("2.00"), 2'000'000);
  EXPECT_EQ(parse_price("0.04"), 40'000);
  EXPECT_EQ(parse_price("7"), 7'000'000);
  EXPECT_EQ(parse_price("0.0000005"), 1);
  EXPECT_EQ(parse_price("0.00000049"), 0);
  EXPECT_EQ(parse_price("1000000"), 1'000'000'000'000);
  for (const char* bad : {"", ".", "1.", ".5", "-1", "1e3", "1,5", "1000000.1", "99999999", " 1"})
    EXPECT_EQ(parse_price(bad), std::nullopt) << bad;
  EXPECT_EQ(format_micro(2'000'000), "2.000000");
  EXPECT_EQ(format_micro(-40'001), "-0.040001");
}

TEST(Prices, CostRoundsHalfUpOnce) {
  EXPECT_EQ(cost(2'000'000, 1h), 2'000'000);
  EXPECT_EQ(cost(3'600, 1s), 1);
  EXPECT_EQ(cost(1'800, 1s), 1);  // exactly half a micro-dollar
  EXPECT_EQ(cost(1'799, 1s), 0);
  EXPECT_EQ(cost(40'000, 1h, 500, 1000), 20'000);
  EXPECT_EQ(cost(2'000'000, -1h), 0);
  EXPECT_GT(cost(1'000'000'000'000, std::chrono::hours(24 * 36'600), 1'000'000'000), 0);  // the bounds hold
}

TEST(Prices, UnknownModelsCostTheDefault) {
  const Json list = *api::parse_json(
      R"({"spec":{"currency":"EUR","gpuHour":{"H100-80GB":"4","default":"1.5","odd":"x"},"cpuHour":"0.04"}})");
  const Prices prices = prices_from(&list);
  EXPECT_EQ(prices.currency, "EUR");
  EXPECT_EQ(prices.gpu("H100-80GB"), 4'000'000);
  EXPECT_EQ(prices.gpu("A30"), 1'500'000);
  EXPECT_EQ(prices.memory_gib_hour, 0);
  EXPECT_EQ(prices_from(nullptr).gpu("A30"), 0);
}

}  // namespace
}  // namespace ingot::policy
