#include "expr/query.h"

#include <gmock/gmock.h>

#include "expr/testing.h"

namespace ingot::expr {
namespace {

// "null" where there is no answer, as in the table of consensus tests, from which most of these are.
std::string ask(std::string_view path, std::string_view json) {
  int64_t steps = 100'000;
  const auto parsed = parsed_json(json);
  const auto found = query(path, *parsed, steps);
  return found ? json_text(*found).value() : "null";
}

struct Asked {
  std::string_view path, json, answer;
};
void expect(std::initializer_list<Asked> cases) {
  for (const auto& [path, json, answer] : cases) EXPECT_EQ(ask(path, json), answer) << path << " of " << json;
}

constexpr std::string_view kFive = R"(["first","second","third","forth","fifth"])";

TEST(Query, Members) {
  expect({{"$", "42", "42"},
          {"$.key", R"({"key": "value"})", "\"value\""},
          {"$['key']", R"({"key": "value"})", "\"value\""},
          {"$[\"key\"]", R"({"key": "value"})", "\"value\""},
          {"$.['key']", R"({"key": "value"})", "\"value\""},
          {"$.missing", R"({"key": "value"})", "null"},
          {"$.key", "[0, 1]", "null"},
          {"$['two.some']", R"({"two": {"some": 1}, "two.some": "42"})", "\"42\""},
          {"$['\\'']", R"({"'": "value"})", "\"value\""},
          {"$[']']", R"({"]": 42})", "42"},
          {"$.key-dash", R"({"key-dash": 1})", "1"},
          {"$.2", R"({"2": "second"})", "\"second\""},
          {"$.length", "[4, 5, 6]", "3"},
          {"$.length", R"({"length": "value"})", "\"value\""},
          {"$[key]", R"({"key": 1})", "null"},
          {"key", R"({"key": 1})", "null"},
          {"$a", R"({"a": 1})", "null"},
          {"", R"({"a": 1})", "null"}});
}

TEST(Query, IndexesRangesAndUnions) {
  expect({{"$[0]", kFive, "\"first\""},
          {"$[-1]", kFive, "\"fifth\""},
          {"$[5]", kFive, "null"},
          {"$[0]", R"({"0": "value"})", "null"},
          {"$[1:3]", kFive, R"(["second","third"])"},
          {"$[7:10]", kFive, "[]"},
          {"$[-2:]", kFive, R"(["forth","fifth"])"},
          {"$[::2]", kFive, R"(["first","third","fifth"])"},
          {"$[::-2]", kFive, R"(["fifth","third","first"])"},
          {"$[0:3:0]", kFive, "null"},
          {"$[2:113667776004]", kFive, R"(["third","forth","fifth"])"},
          {"$[0,1]", kFive, R"(["first","second"])"},
          {"$[4,1]", "[1,2,3,4,5]", "[5,2]"},
          {"$['missing','key']", R"({"key": "value"})", R"(["value"])"},
          {"$[1:3,4]", "[1,2,3,4,5]", "null"},
          {"$[(@.length-1)]", kFive, "\"fifth\""}});
}

TEST(Query, Several) {
  expect({{"$[*]", R"({"b": 1, "a": [2]})", "[[2],1]"},
          {"$[*].a", R"([{"a": 1}, {"b": 1}])", "[1]"},
          {"$.*[1]", "[[1], [2,3]]", "[3]"},
          {"$[0:2].key", R"([{"key": "ey"}, {"key": "bee"}, {"key": "see"}])", R"(["ey","bee"])"},
          {"$[0:2][1]", "[1,2,3]", "2"},
          {"$.*.*", "[[1, 2], [3]]", "[[1,2],[3]]"},
          {"$..key", R"({"o": {"key": "v", "l": [{"key": "s"}]}, "key": "top"})", R"(["top","v","s"])"},
          {"$..[1].key", R"({"k": [{"key": 0}, {"key": 42}], "kk": [[{"key": 1}, {"key": 2}]]})", "[42,2]"},
          {"$..*", "42", "[]"},
          {"$.key..", R"({"key": {"a": [0]}})", R"([{"a":[0]},[0],0])"}});
}

TEST(Query, Filters) {
  constexpr std::string_view kKeys = R"([{"key": 42}, {"key": 43}, {"key": 44}, {"some": 1}])";
  expect({{"$[?(@.key>42 && @.key<44)]", kKeys, R"([{"key":43}])"},
          {"$[?(@.key>43 || @.key<43)].key", kKeys, "[42,44]"},
          {"$[?(!(@.key==42))].key", kKeys, "[43,44]"},
          {"$[?(@.key==42)][0].key", kKeys, "42"},
          {"$[?(@.key+50==93)].key", kKeys, "[43]"},
          {"$[?(@.key in [42, 44])].key", kKeys, "[42,44]"},
          {"$[?(@.key not in [42, 44])].key", kKeys, "[43]"},
          {"$[?(@['key']==42)].key", kKeys, "[42]"},
          {"$[?(@.name==\"Baris\")].age", R"([{"name": "Baris", "age": 43}, {"name": "Mo", "age": 42}])",
           "[43]"},
          {"$[?(@.name=='Mo')].age", R"([{"name": "Baris", "age": 43}, {"name": "Mo", "age": 42}])", "[42]"},
          {"$[?(@.name=~'^B')].name", R"([{"name": "Baris"}, {"name": "Mo"}])", R"(["Baris"])"},
          {"$.items[?(@.key==$.value)]", R"({"value": 42, "items": [{"key": 10}, {"key": 42}]})",
           R"([{"key":42}])"},
          {"$[?(@.a && (@.b || @.c))]", R"([{"a": true}, {"a": true, "b": false, "c": true}])",
           R"([{"a":true,"b":false,"c":true}])"},
          {"$[?(@)]", R"(["v", null, 0, 1, "", [], {}, false, true])", R"(["v",1,true])"},
          {"$[?(@.d=={\"k\":\"v\"})]", R"([{"d": {"k": "v"}}, {"d": 1}])", R"([{"d":{"k":"v"}}])"},
          {"$[?(@.a[?(@.price>10)])]", R"([{"a": [{"price": 1}]}, {"a": [{"price": 11}]}])",
           R"([{"a":[{"price":11}]}])"},
          {"$[?(@.key)]", R"({"key": 42, "another": {"key": 1}})", R"([{"key":1}])"},
          {"$[?()]", kKeys, "null"}});
}

TEST(Query, AsArgoDocumentsIt) {
  constexpr std::string_view kNamed =
      R"js({"workflow.parameters.config": "{\"a\": \"1\", \"employees\": [{\"name\": \"Baris\", \"age\": 43}]}", "workflow.parameters.json": "[{\"name\": \"x\", \"value\": \"true\"}]"})js";
  EXPECT_EQ(result("jsonpath(workflow.parameters.config, '$.a')", kNamed), "\"1\"");
  EXPECT_EQ(result("jsonpath(workflow.parameters.config, '$.employees[?(@.name==\"Baris\")].age')", kNamed),
            "[43]");
  EXPECT_EQ(result("jsonpath(workflow.parameters.json, '$[0].value') == 'true'", kNamed), "true");
  EXPECT_EQ(
      result("map([jsonpath(sprig.b64dec('eyJ0ZW1wcyI6IFszNCwgMjcsIDE1LCA1NywgNDZdfQ=='), '$.temps')], {"
             "  toJson({avg: sprig.add(#[0], #[1], #[2], #[3], #[4]) / 5, min: sprig.min(#[0], #[1], #[2])})"
             "})[0]"),
      R"("{\"avg\":35.8,\"min\":15}")");
  EXPECT_EQ(result("jsonpath(workflow.parameters.json, '$[1]')", kNamed), "jsonpath: index 1 is not there");
}

TEST(Query, IsBounded) {
  std::string deep;
  for (int i = 0; i < 900; ++i) deep += "..a";
  EXPECT_EQ(ask("$" + deep, "{}"), "null");
  std::string nested = "1";
  for (int i = 0; i < 200; ++i) nested = "(" + nested + ")";
  EXPECT_EQ(ask("$[?(" + nested + ")]", "[1]"), "null");
  std::string many = "[";
  for (int i = 0; i < 3'000; ++i) many += "[[1],[2],[3]],";
  EXPECT_EQ(ask("$..*..*..*", many + "0]"), "null");
}

}  // namespace
}  // namespace ingot::expr
