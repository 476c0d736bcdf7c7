#include "registry/model_filter.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>

namespace ingot::registry {
namespace {

const std::vector<std::string_view> kKeys{"name", "version_number"};

bool holds(std::string_view text, const std::map<std::string, std::string, std::less<>>& of) {
  const auto filter = ModelFilter::parse(text, kKeys);
  EXPECT_TRUE(filter) << text << ": " << filter.error().message;
  return filter && filter->matches([&](std::string_view key) -> std::optional<std::string> {
    const auto it = of.find(key);
    return it == of.end() ? std::nullopt : std::optional(it->second);
  });
}

TEST(ModelFilter, SaysWhatMatches) {
  const std::map<std::string, std::string, std::less<>> digits{
      {"name", "digits"}, {"tags.team", "ocr"}, {"tags.my key", "it's"}, {"version_number", "10"}};
  EXPECT_TRUE(holds("", digits));
  EXPECT_TRUE(holds("name = 'digits'", digits));
  EXPECT_TRUE(holds("name LIKE 'dig%' AND tags.team = \"ocr\"", digits));
  EXPECT_TRUE(holds("name ilike '%GITS'", digits));
  EXPECT_TRUE(holds("tags.`my key` = 'it''s' and name != 'x'", digits));
  EXPECT_TRUE(holds("name IN ('a', 'digits')", digits));
  EXPECT_TRUE(holds("version_number > 9", digits));
  EXPECT_FALSE(holds("name LIKE 'DIG%'", digits));
  EXPECT_FALSE(holds("tags.none != 'x'", digits));
  EXPECT_TRUE(holds("tags.`mlflow.prompt.is_prompt` != 'true'", digits));
}

TEST(ModelFilter, RefusesWhatItCannotRead) {
  for (const std::string_view text :
       {"name", "name =", "name = digits", "name = 'a' OR name = 'b'", "name = 'a' AND", "other = 'a'",
        "name = 'a", "name IN 'a'", "name IN ('a'", "name ~ 'a'", "; DROP TABLE"})
    EXPECT_FALSE(ModelFilter::parse(text, kKeys)) << text;
  std::string many = "name = 'a'";
  for (int i = 0; i < 60; ++i) many += " AND name = 'a'";
  EXPECT_FALSE(ModelFilter::parse(many, kKeys));
  EXPECT_FALSE(ModelFilter::parse("name = '" + std::string(20'000, 'a') + "'", kKeys));
}

TEST(ModelFilter, PatternsDoNotExplode) {
  const std::string text(5'000, 'a');
  std::string pattern;
  for (int i = 0; i < 500; ++i) pattern += "%a";
  EXPECT_TRUE(is_like(text, pattern, false));
  EXPECT_FALSE(is_like(text, pattern + "b", false));
}

TEST(ModelFilter, OrdersByWhatItKnows) {
  const auto order = parse_order({"name DESC", "version_number"}, kKeys);
  ASSERT_TRUE(order);
  EXPECT_TRUE(order->front().descending);
  EXPECT_FALSE(order->back().descending);
  EXPECT_FALSE(parse_order({"other"}, kKeys));
  EXPECT_FALSE(parse_order({"name UP"}, kKeys));
}

}  // namespace
}  // namespace ingot::registry
