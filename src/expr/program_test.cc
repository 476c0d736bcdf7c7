#include "expr/program.h"

#include <gmock/gmock.h>

#include "expr/evaluator.h"
#include "expr/parser.h"
#include "expr/testing.h"

namespace ingot::expr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kNamed = R"({
  "inputs.parameters.x": "3", "inputs.parameters.b-c": "dash", "tasks.A.outputs.result": "[1,2]", "s": "text", "i": 2,
  "item": {"name": "a", "on": true, "list": [{"n": 1}, {"n": 2}]}, "late": null})";

void expect(std::initializer_list<Case> cases) {
  for (const auto& [expression, wanted] : cases) EXPECT_EQ(result(expression, kNamed), wanted) << expression;
}

TEST(Program, Literals) {
  expect({{"42", "42"},
          {"0x2A + 0o52 + 0b101010", "126"},
          {"1_000", "1000"},
          {"1.5", "1.5"},
          {".5", "0.5"},
          {"1e3", "1000"},
          {R"('it\'s' + "\u00e9\x41\u{1F600}\n")", "\"it's\u00e9A\U0001F600\\n\""},
          {"`raw\\n``quoted```", R"("raw\\n`quoted`")"},
          {"true", "true"},
          {"nil", "null"},
          {"[1, 'a', [nil],]", R"([1,"a",[null]])"},
          {R"({a: 1, "b c": 2, 3: 4, ('d' + 'e'): 5,})", R"({"3":4,"a":1,"b c":2,"de":5})"},
          {"1 /* one */ + 1 // two", "2"}});
}

TEST(Program, Arithmetic) {
  expect({{"1 + 2 * 3", "7"},
          {"7 / 2", "3.5"},
          {"4 / 2", "2"},
          {"7 % 4", "3"},
          {"2 ** 3 ** 2", "512"},
          {"2 ^ 3", "8"},
          {"-2 ** 2", "-4"},
          {"1 - -1", "2"},
          {"1.5 + 1", "2.5"},
          {"9223372036854775807 + 1", "-9223372036854775808"},
          {"'a' + 'b'", R"("ab")"},
          {"1 % 0", "integer divide by zero"},
          {"1 / 0", "no JSON"},
          {"s + 1", "invalid operation: string + int"},
          {"-s", "invalid operation: - string"},
          {"1.5 % 1", "invalid operation: float % int"}});
}

TEST(Program, Comparisons) {
  expect({{"1 == 1.0", "true"},
          {"[1, 2] == [1.0, 2]", "true"},
          {"{a: 1} == {a: 1}", "true"},
          {"nil == nil", "true"},
          {"item.name == 1", "false"},
          {"late == 1", "false"},
          {"s == 1", "invalid operation: == (mismatched types string and int)"},
          {"1 < 2 and 'a' < 'b'", "true"},
          {"1 < 2 < 3", "true"},
          {"3 > 2 > 2", "false"},
          {"2 >= 2 && 2 <= 2", "true"},
          {"s < 1", "invalid operation: string < int"},
          {"'a' in ['a']", "true"},
          {"'name' in item", "true"},
          {"'x' not in item", "true"},
          {"1 in nil", "false"},
          {"'a' in 'abc'", "operator \"in\" not defined on string"},
          {"s contains 'ex'", "true"},
          {"s not contains 'ex'", "false"},
          {"s startsWith 'te' and s endsWith 'xt'", "true"},
          {"s matches '^t.*t$'", "true"},
          {"late matches 'a'", "false"},
          {"s matches '('", "invalid pattern: missing ): ("}});
}

TEST(Program, LogicAndConditions) {
  expect({{"true or 1 % 0 == 0", "true"},
          {"false && 1 % 0 == 0", "false"},
          {"not false", "true"},
          {"!true || !false", "true"},
          {"not (1 == 2)", "true"},
          {"1 == 1 ? 'yes' : 'no'", R"("yes")"},
          {"false ? 1 : true ? 2 : 3", "2"},
          {"if 1 > 2 { 'a' } else if 2 > 1 { 'b' } else { 'c' }", R"("b")"},
          {"1; 2; 3", "3"},
          {"let x = 2; let y = x * 3; x + y", "8"},
          {"[let a = 1; a + 1, 5]", "[2,5]"},
          {"1 and true", "invalid operation: && needs a bool, not int"},
          {"s ? 1 : 2", "invalid operation: ? needs a bool, not string"}});
}

TEST(Program, MembersAndWhatIsNotThere) {
  expect({{"inputs.parameters.x", R"("3")"},
          {"inputs.parameters['b-c']", R"("dash")"},
          {"item.missing", "null"},
          {"item.missing.deeper", "cannot fetch deeper from nil"},
          {"item.missing?.deeper.still", "null"},
          {"item?.missing?.[0]", "null"},
          {"item.missing ?? 'otherwise'", R"("otherwise")"},
          {"late ?? s", R"("text")"},
          {"(item.missing?.a ?? 1) + 1", "2"},
          {"item.a ?? 1 + 1", "1:13: ?? and + cannot be mixed without parentheses"},
          {"nothing", "unknown name nothing"},
          {"nothing ?? 1", "unknown name nothing"},
          {"$env['s']", R"("text")"},
          {"'nothing' in $env", "false"},
          {"[1, 2, 3][0]", "1"},
          {"[1, 2, 3][-1]", "3"},
          {"[1, 2, 3][3]", "index out of range: 3 (array length is 3)"},
          {"[1, 2, 3, 4, 5][1:4]", "[2,3,4]"},
          {"[1, 2, 3, 4, 5][1:-1]", "[2,3,4]"},
          {"[1, 2, 3][:2]", "[1,2]"},
          {"[1, 2, 3][2:]", "[3]"},
          {"[1, 2, 3][:]", "[1,2,3]"},
          {"'hello'[1:3]", R"("el")"},
          {"'hello'[-3:9]", R"("llo")"},
          {"item.not", "null"}});
}

TEST(Program, RangesAndPipes) {
  expect({{"1..3", "[1,2,3]"},
          {"3..1", "[]"},
          {"1..2 + 1", "[1,2,3]"},
          {"' A b ' | trim() | lower() | split(' ')", R"(["a","b"])"},
          {"1..4 | filter(# % 2 == 0) | map(# * 10)", "[20,40]"},
          {"::len('abc')", "3"}});
}

TEST(Program, Predicates) {
  expect({{"map(1..3, # * #index)", "[0,2,6]"},
          {"map(item.list, .n)", "[1,2]"},
          {"map(item.list, {let m = .n; m + 1})", "[2,3]"},
          {"filter([1, 5, 9], {# > 1})", "[5,9]"},
          {"filter(item.list, .n > 1)[0].n", "2"},
          {"map([[1], [2]], map(#, # + 1))", "[[2],[3]]"},
          {"all([1, 2], # > 0)", "true"},
          {"all([], false)", "true"},
          {"any([1, 2], # > 1)", "true"},
          {"none([1, 2], # > 2)", "true"},
          {"one([1, 2, 3], # == 2)", "true"},
          {"count([1, 2, 3], # > 1)", "2"},
          {"count([true, false, true])", "2"},
          {"sum(1..9)", "45"},
          {"sum([1, 2, 3.0, 4])", "10"},
          {"sum(item.list, .n)", "3"},
          {"sum([])", "0"},
          {"find([1, 2, 3], # > 1)", "2"},
          {"find([1], # > 1)", "null"},
          {"findIndex([1, 2, 3], # > 1)", "1"},
          {"findLast([1, 2, 3], # > 1)", "3"},
          {"findLastIndex([1, 2, 3], # < 3)", "1"},
          {"reduce(1..9, # + #acc, 0)", "45"},
          {"reduce(1..9, # + #acc)", "45"},
          {"reduce([], # + #acc, 42)", "42"},
          {"reduce([], # + #acc)", "reduce of empty array with no initial value"},
          {"groupBy(1..5, # % 2)", R"({"0":[2,4],"1":[1,3,5]})"},
          {"groupBy(1..5, # % 2)[0]", "[2,4]"},
          {"sortBy(['ccc', 'a', 'bb'], len(#))", R"(["a","bb","ccc"])"},
          {"sortBy([1, 3, 2], #, 'desc')", "[3,2,1]"},
          {"filter([1], # + 1)", "filter: the predicate must give a bool, not int"},
          {"map('abc', #)", "map: argument 1 must be an array, not string"},
          {"# + 1", "1:1: unexpected token #"}});
}

TEST(Program, WhatMeansNothingDoesNotCompile) {
  expect({{"", "1:1: unexpected end of the expression"},
          {"1 +", "1:4: unexpected end of the expression"},
          {"(1", "1:3: unexpected end of the expression"},
          {"1 2", "1:3: unexpected token 2"},
          {"a\n  & b", "2:3: unrecognized character"},
          {"'open", "1:1: the text is not closed"},
          {"'\\q'", "1:2: unknown escape in a text"},
          {"99999999999999999999", "1:1: bad number"},
          {"12ab", "1:1: bad number"},
          {"foo(1)", "1:1: unknown function foo"},
          {"now()", "1:1: now: what an expression gives must not depend on the clock"},
          {"date('2020-01-01')", "1:1: date: is not implemented"},
          {"s.Format('x')", "1:3: method Format is not implemented"},
          {"b'bytes'", "1:1: bytes (b\"…\") are not implemented"},
          {"sprig.genPrivateKey('rsa')", "1:7: sprig.genPrivateKey is not implemented"},
          {"sprig", "1:1: sprig's functions can only be called"},
          {"trim()", "1:1: trim takes 1 to 2 arguments, not 0"},
          {"len(1, 2)", "1:1: len takes 1 argument, not 2"},
          {"max()", "1:1: max takes at least 1 arguments, not 0"},
          {"filter([1])", "1:1: filter takes a list and a predicate"}});
}

TEST(Program, NamesWhatItReads) {
  struct Names {
    std::string_view expression;
    std::vector<std::string> names, required;
  };
  const Names kCases[] = {
      {"item.key", {"item.key"}, {"item.key"}},
      {"item.key ?? 'x'", {"item.key"}, {"item"}},
      {"item['key'] ?? ''", {"item.key"}, {"item"}},
      {"item?.key", {"item.key"}, {"item"}},
      {"item.a?.b", {"item.a.b"}, {"item"}},
      {"item.a.b?.c.d", {"item.a.b.c.d"}, {"item.a"}},
      {"item.a + (item.b ?? 'x')", {"item.a", "item.b"}, {"item.a", "item"}},
      {"tasks.a.outputs.result ?? 'd'", {"tasks.a.outputs.result"}, {"tasks"}},
      {"steps['a-b'].outputs.parameters['c']",
       {"steps.a-b.outputs.parameters.c"},
       {"steps.a-b.outputs.parameters.c"}},
      {"list[0].name + list[i]", {"list", "i"}, {"list", "i"}},
      {"let x = a.b; map(c, # + x + d)", {"a.b", "c", "d"}, {"a.b", "c", "d"}},
      {"sprig.trim(a) + toJson({b: c})", {"a", "c"}, {"a", "c"}},
      {"a < b < c", {"a", "b", "c"}, {"a", "b", "c"}},
      {"'a.b' == \"c\"", {}, {}},
  };
  for (const auto& [expression, names, required] : kCases) {
    const auto program = Program::compile(expression);
    ASSERT_TRUE(program) << program.error();
    EXPECT_EQ(program->names(), names) << expression;
    EXPECT_EQ(program->required(), required) << expression;
  }
}

TEST(Program, IsBounded) {
  EXPECT_THAT(result(std::string(kMaxText + 1, ' ')), HasSubstr("longer than 65536 bytes"));
  for (const std::string_view nested :
       {"(", "[", "-", "!", "{a:", "let a = 1; ", "if true { 1 } else ", "len(", "a?1:"}) {
    std::string deep;
    for (int i = 0; i < 3'000; ++i) deep += nested;
    EXPECT_THAT(result(deep), ::testing::AnyOf(HasSubstr("nested too deeply"), HasSubstr("unexpected")))
        << nested;
  }
  std::string twice = "1";
  for (int i = 0; i < 50; ++i) twice = "(" + twice + " ?: 1)";
  EXPECT_TRUE(Program::compile(twice)->names().empty()) << "what is shared is read once";
  for (const std::string_view dear :
       {"1..1000000000", "map(1..1000, map(1..1000, # + 1))", "repeat('x', 1000000000)",
        "sprig.repeat(1000000000, 'x')", "sprig.until(1000000000)",
        "reduce(1..100000, #acc + 'xxxxxxxxxx', '')", "replace(repeat('x', 100000), '', repeat('y', 1000))",
        "sprig.indent(1000000000, 'x')", "sprig.untilStep(0, 9223372036854775807, 1)",
        "reduce(1..100000, [#acc], [])", "uniq(1..100000)", "map(1..1000, 'x' matches 'x')",
        "join(map(1..10000, 'x'), repeat('y', 10000))"})
    EXPECT_EQ(result(dear), kTooDear) << dear;
}

TEST(Program, SeveralShareTheirSteps) {
  const auto program = Program::compile("sum(1..100)");
  int64_t steps = 3'000;
  EXPECT_TRUE(program->run(JsonObject(), steps));
  EXPECT_LT(steps, 3'000);
  while (program->run(JsonObject(), steps)) continue;
  EXPECT_GE(steps, 0);
}

}  // namespace
}  // namespace ingot::expr
