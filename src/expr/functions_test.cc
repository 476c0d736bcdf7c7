#include <gmock/gmock.h>

#include "expr/testing.h"

namespace ingot::expr {
namespace {

void expect(std::initializer_list<Case> cases) {
  for (const auto& [expression, wanted] : cases) EXPECT_EQ(result(expression), wanted) << expression;
}

// Mostly expr-lang's own tests of its builtins.
TEST(Functions, Texts) {
  expect({{"len('hello')", "5"},
          {"len('\u00e9\u00e8')", "2"},
          {"trim('  foo  ')", R"("foo")"},
          {"trim('__foo___', '_')", R"("foo")"},
          {"trimPrefix('prefix_foo', 'prefix_')", R"("foo")"},
          {"trimSuffix('foo_suffix', '_suffix')", R"("foo")"},
          {"upper('foo \u00e9\u0436')", "\"FOO \u00c9\u0416\""},
          {"lower('FOO \u00c9')", "\"foo \u00e9\""},
          {"split('foo,bar,baz', ',')", R"(["foo","bar","baz"])"},
          {"split('foo,bar,baz', ',', 2)", R"(["foo","bar,baz"])"},
          {"split('abc', '')", R"(["a","b","c"])"},
          {"splitAfter('foo,bar,baz', ',')", R"(["foo,","bar,","baz"])"},
          {"splitAfter('foo,bar,baz', ',', 2)", R"(["foo,","bar,baz"])"},
          {"replace('foo,bar,baz', ',', ';')", R"("foo;bar;baz")"},
          {"replace('foo,bar,baz,goo', ',', ';', 2)", R"("foo;bar;baz,goo")"},
          {"replace('ab', '', '-')", R"("-a-b-")"},
          {"repeat('foo', 3)", R"("foofoofoo")"},
          {"join(['foo', 'bar'], ',')", R"("foo,bar")"},
          {"join(['foo', 'bar'])", R"("foobar")"},
          {"join([1])", "join: an item must be a string, not int"},
          {"indexOf('foo,bar,baz', ',')", "3"},
          {"lastIndexOf('foo,bar,baz', ',')", "7"},
          {"indexOf('foo', 'x')", "-1"},
          {"hasPrefix('foo,bar', 'foo') && hasSuffix('foo,bar', 'bar')", "true"},
          {"upper(1)", "upper: argument 1 must be a string, not int"},
          {"toBase64('hello')", R"("aGVsbG8=")"},
          {"fromBase64('aGVsbG8=')", R"("hello")"}});
}

TEST(Functions, ConversionsPrintAsGoDoes) {
  expect({{"int('5')", "5"},
          {"int(5.9)", "5"},
          {"int('5.5')", "invalid operation: int(5.5)"},
          {"int(nil)", "invalid operation: int(nil)"},
          {"asInt('7') * 10", "70"},
          {"float('5.5')", "5.5"},
          {"asFloat('2') / 4", "0.5"},
          {"string(5)", R"("5")"},
          {"string(5.0)", R"("5")"},
          {"string(1e21)", R"("1e+21")"},
          {"string(0.00001)", R"("1e-05")"},
          {"string(-0.00123)", R"("-0.00123")"},
          {"string(123456789012345678.0)", R"("123456789012345680")"},
          {"string(12.25)", R"("12.25")"},
          {"string(nil)", R"("<nil>")"},
          {"string(true)", R"("true")"},
          {"string(['a', 1])", R"("[a 1]")"},
          {"string({b: 1, a: 'x'})", R"("map[a:x b:1]")"},
          {"toJSON({foo: 1, bar: [2]})", R"("{\n  \"bar\": [\n    2\n  ],\n  \"foo\": 1\n}")"},
          {"toJSON([])", R"("[]")"},
          {"toJson({foo: 1, bar: 2})", R"("{\"bar\":2,\"foo\":1}")"},
          {"toJson('<&>')", R"("\"\\u003c\\u0026\\u003e\"")"},
          {"toJson([1.0, 1e21, 1e-7, 1.5])", R"("[1,1e+21,1e-7,1.5]")"},
          {"toJson(1 / 0)", "json: unsupported value: a number that is not finite"},
          {"fromJSON('[1, {\"a\": null}]')", R"([1,{"a":null}])"},
          {"type(fromJSON('1'))", R"("float")"},
          {"map([1, 1.5, 'a', true, nil, [], {}], type(#))",
           R"(["int","float","string","bool","nil","array","map"])"}});
}

TEST(Functions, ListsAndMaps) {
  expect({{"len(1..10)", "10"},
          {"len({foo: 1, bar: 2})", "2"},
          {"len(1)", "invalid argument for len (type int)"},
          {"first([1, 2])", "1"},
          {"last([1, 2])", "2"},
          {"first([])", "null"},
          {"get([1, 2], 1)", "2"},
          {"get([1, 2], 9)", "null"},
          {"get([1, 2], -1)", "2"},
          {"get({foo: 1}, 'foo')", "1"},
          {"get({foo: 1}, 'bar')", "null"},
          {"get(nil, 'bar')", "null"},
          {"take([1, 2, 3], 2)", "[1,2]"},
          {"keys({b: 1, a: 2})", R"(["a","b"])"},
          {"values({b: 1, a: 2})", "[2,1]"},
          {"toPairs({b: 1, a: 2})", R"([["a",2],["b",1]])"},
          {"fromPairs([['foo', 1], ['bar', 2]])", R"({"bar":2,"foo":1})"},
          {"fromPairs(toPairs({foo: 1}))", R"({"foo":1})"},
          {"reverse([1, 2])", "[2,1]"},
          {"uniq([1, 15, 'a', 2, 1.0, 'a'])", R"([1,15,"a",2])"},
          {"concat(['a'], [1], [])", R"(["a",1])"},
          {"flatten([['a'], [1, [2, [3]]]])", R"(["a",1,2,3])"},
          {"sort([3, 1, 2])", "[1,2,3]"},
          {"sort(['b', 'a'], 'desc')", R"(["b","a"])"},
          {"sort([1, 'a'])", "invalid operation: string < int"}});
}

TEST(Functions, Numbers) {
  expect({{"abs(-5)", "5"},
          {"abs(-.5)", "0.5"},
          {"ceil(5.5)", "6"},
          {"floor(5.5)", "5"},
          {"round(5.5)", "6"},
          {"round(5.49)", "5"},
          {"max([1, 2, 4, 10], 20, [29, 23, -19])", "29"},
          {"min(-1, [1.5, 2.5])", "-1"},
          {"max([], 5)", "5"},
          {"max(['a'])", "invalid argument for max (type string)"},
          {"mean(10, [1, 2, 3], 1..9)", "4.6923076923076925"},
          {"mean([])", "0"},
          {"median(1..5, 4.9)", "3.5"},
          {"bitand(6, 3)", "2"},
          {"bitshl(1, 4)", "16"},
          {"bitshr(1, -1)", "a negative shift count"},
          {"bitnot(0)", "-1"}});
}

}  // namespace
}  // namespace ingot::expr
