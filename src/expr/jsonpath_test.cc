#include "expr/jsonpath.h"

#include <gmock/gmock.h>

#include "expr/testing.h"

namespace ingot::expr {
namespace {

using ::testing::HasSubstr;

// client-go's store.
constexpr std::string_view kStore = R"({
  "Name": "jsonpath", "none": null,
  "Book": [{"Category": "reference", "Author": "Nigel Rees", "Title": "Sayings of the Century", "Price": 8.95},
           {"Category": "fiction", "Author": "Evelyn Waugh", "Title": "Sword of Honour", "Price": 12.99},
           {"Category": "fiction", "Author": "Herman Melville", "Title": "Moby Dick", "Price": 8.99}],
  "Bicycle": [{"Color": "red", "Price": 19, "IsNew": true}, {"Color": "green", "Price": 20, "IsNew": false}],
  "Labels": {"engieer": 10, "web/html": 15, "k8s-app": 20, "a.b": {"c": 1}}})";

std::string printed_by(std::string_view path, bool allow_missing) {
  const auto compiled = JsonPath::compile(path);
  if (!compiled) return compiled.error();
  int64_t steps = 100'000;
  const auto text = compiled->text(*api::parse_json(kStore), steps, allow_missing);
  return text ? *text : text.error();
}

void expect(std::initializer_list<Case> cases) {
  for (const auto& [path, text] : cases) EXPECT_EQ(printed_by(path, false), text) << path;
}

TEST(JsonPath, PrintsAsKubectlDoes) {
  expect({{"hello jsonpath", "hello jsonpath"},
          {"{\"{\"}", "{"},
          {"{'\\n\\u00e9'}", "\n\u00e9"},
          {"{.Name}", "jsonpath"},
          {"{$.Name} and {@.Name}", "jsonpath and jsonpath"},
          {"{.none}", "null"},
          {"{.Bicycle[0].IsNew}", "true"},
          {"{.Book[0].Price}", "8.95"},
          {"{.Book[*].Author}", "Nigel Rees Evelyn Waugh Herman Melville"},
          {"{.Bicycle[0]}", R"({"Color":"red","IsNew":true,"Price":19})"},
          {"{.Book[-1].Title}", "Moby Dick"},
          {"{.Book[-2].Title}", "Sword of Honour"},
          {"{.Book[0:2].Price}", "8.95 12.99"},
          {"{.Book[0:3:2].Price}", "8.95 8.99"},
          {"{.Book[:1].Price}{.Book[2:].Price}", "8.958.99"},
          {"{.Book[1:1].Price}", ""},
          {"{.Labels.web/html}", "15"},
          {"{.Labels.k8s-app}", "20"},
          {"{.Labels['k8s-app']}", "20"},
          {"{.Labels.a\\.b.c}", "1"},
          {"{.Labels['a\\.b'].c}", "1"},
          {"{['Name']}", "jsonpath"},
          {"{.Labels.*}", "{\"c\":1} 10 20 15"},
          {"{['Name', 'none']}", "jsonpath null"},
          {"{.Book[0,2].Price}", "8.95 8.99"},
          {"{..Price}", "19 20 8.95 12.99 8.99"},
          {"{..Book[1].Author}", "Evelyn Waugh"}});
}

TEST(JsonPath, Filters) {
  expect({{"{.Bicycle[?(@.IsNew==true)].Color}", "red"},
          {"{.Book[?(@.Category==\"fiction\")].Title}", "Sword of Honour Moby Dick"},
          {"{.Book[?(@.Author == 'Nigel Rees')].Price}", "8.95"},
          {"{.Book[?(@.Price<8.99)].Title}", "Sayings of the Century"},
          {"{.Book[?(@.Price>=8.99)].Price}", "12.99 8.99"},
          {"{.Bicycle[?(@.Price!=19)].Color}", "green"},
          {"{.Bicycle[?(@.Color)].Price}", "19 20"},
          {"{.Bicycle[?(@.Missing)].Price}", ""},
          {"{.Book[?(@.Price==9)]}", "jsonpath: incompatible types for comparison"},
          {"{.Name[?(@.x)]}", "jsonpath: only lists can be filtered, not string"},
          {"{.Book[?(@.Price=~8)]}", "jsonpath: unrecognized filter operator ="}});
}

TEST(JsonPath, Ranges) {
  expect({{"{range .Bicycle[*]}{.Color}={.Price}{\"\\n\"}{end}.", "red=19\ngreen=20\n."},
          {"{range .Book[?(@.Price>100.5)]}{.Title}{end}none", "none"},
          {"{range .Book[0:2]}[{range @.Author}{@}{end}]{end}", "[Nigel Rees][Evelyn Waugh]"},
          {"{range .Book[*]}{.Title}", "jsonpath: a range is not ended"},
          {"{end}", "jsonpath: not in range, nothing to end"}});
}

TEST(JsonPath, WhatIsNotThere) {
  EXPECT_EQ(printed_by("{.Missing}", false), "jsonpath: Missing is not found");
  EXPECT_EQ(printed_by("{.Missing.Deeper}<", true), "<");
  EXPECT_EQ(printed_by("{.Book[9].Title}", true), "jsonpath: array index out of bounds: index 9, length 3");
  EXPECT_EQ(printed_by("{.Name[0]}", true), "jsonpath: string is not array or slice");
}

TEST(JsonPath, WhatMeansNothingDoesNotCompile) {
  expect({{"{.Name", "jsonpath: unclosed action"},
          {"{metadata.name}", "jsonpath: unrecognized identifier metadata"},
          {"{.Book[x]}", "jsonpath: invalid array index x"},
          {"{.Book[}", "jsonpath: unterminated array"},
          {"{.Book[?(@.x}", "jsonpath: unterminated filter"},
          {"{.Book[?(@.x)}", "jsonpath: unclosed array expect ]"},
          {"{....}", "jsonpath: invalid multiple recursive descent"},
          {"{!}", "jsonpath: unrecognized character in action: !"},
          {"{\"open}", "jsonpath: unterminated quoted string"}});
  EXPECT_THAT(printed_by(std::string(20'000, 'x'), false), HasSubstr("longer than"));
}

TEST(JsonPath, IsBounded) {
  const Json wide = JsonArray(1'000, Json(JsonArray(100, Json(1))));
  int64_t steps = 50'000;
  EXPECT_FALSE(JsonPath::compile("{[*][*]}{[*][*]}")->text(wide, steps));
}

}  // namespace
}  // namespace ingot::expr
