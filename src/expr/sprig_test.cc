#include <gmock/gmock.h>

#include "expr/testing.h"

namespace ingot::expr {
namespace {

// Each without "sprig.".
void expect(std::initializer_list<Case> cases) {
  for (const auto& [expression, wanted] : cases)
    EXPECT_EQ(result("sprig." + std::string(expression)), wanted) << expression;
}

TEST(Sprig, Texts) {
  expect({{"trunc(5, 'hello world')", R"("hello")"},
          {"trunc(-5, 'hello world')", R"("world")"},
          {"substr(0, 5, 'hello world')", R"("hello")"},
          {"substr(6, -1, 'hello world')", R"("world")"},
          {"substr(9, 3, 'hello world')", "substr: out of range"},
          {"abbrev(5, 'hello world')", R"("he...")"},
          {"trim('  a ')", R"("a")"},
          {"trimAll('$', '$5.00$')", R"("5.00")"},
          {"trimSuffix('-', 'hello-')", R"("hello")"},
          {"trimPrefix('-', '-hello')", R"("hello")"},
          {"upper('hello')", R"("HELLO")"},
          {"title('hello world, it\\'s')", R"("Hello World, It'S")"},
          {"untitle('Hello World')", R"("hello world")"},
          {"nospace('h e l')", R"("hel")"},
          {"initials('First Try')", R"("FT")"},
          {"swapcase('aB')", R"("Ab")"},
          {"repeat(3, 'ho')", R"("hohoho")"},
          {"replace(' ', '-', 'I Am Henry')", R"("I-Am-Henry")"},
          {"contains('cat', 'catch')", "true"},
          {"hasPrefix('cat', 'catch')", "true"},
          {"hasSuffix('cat', 'catch')", "false"},
          {"quote('a\"b', 1, nil)", R"("\"a\\\"b\" \"1\"")"},
          {"squote('a', 1)", R"("'a' '1'")"},
          {"cat('a', nil, 1, 2.5)", R"("a 1 2.5")"},
          {"indent(2, 'a\\nb')", R"("  a\n  b")"},
          {"nindent(2, 'a')", R"("\n  a")"},
          {"plural('one', 'many', 2)", R"("many")"},
          {"sha256sum('')", R"("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")"},
          {"sha1sum('abc')", R"("a9993e364706816aba3e25717850c26c9cd0d89d")"},
          {"adler32sum('Wikipedia')", R"("300286872")"},
          {"b64enc('hi')", R"("aGk=")"},
          {"b64dec('aGk=')", R"("hi")"},
          {"fail('no luck')", "no luck"},
          {"trim(nil)", R"("")"},
          {"trunc('5', 'x')", "trunc: argument 1 must be an int, not string"}});
}

TEST(Sprig, Words) {
  expect({{"snakecase('FirstName')", R"("first_name")"},
          {"snakecase('NoHTTPS')", R"("no_https")"},
          {"snakecase('HTTP20xOK')", R"("http_20x_ok")"},
          {"snakecase('http2xx')", R"("http_2xx")"},
          {"snakecase('Bld4Floor3rd')", R"("bld4_floor_3rd")"},
          {"snakecase('GO PATH')", R"("go_path")"},
          {"kebabcase('CPUx86_64')", R"("cp-ux86-64")"},
          {"camelcase('http_server')", R"("HttpServer")"},
          {"camelcase('_complex__case_')", R"("_Complex_Case_")"},
          {"camelcase('GOLANG_IS_GREAT')", R"("GolangIsGreat")"},
          {"camelcase('')", R"("")"},
          {"wrap(5, 'hello world')", R"("hello\nworld")"},
          {"wrap(3, 'hello world abc')", R"("hello\nworld\nabc")"},
          {"wrapWith(3, '|', 'hello abc')", R"("hel|lo|abc")"},
          {"abbrevboth(5, 10, '1234 5678 9123')", R"("...5678...")"},
          {"abbrevboth(5, 5, '1234 5678 9123')", R"("1234 5678 9123")"}});
}

TEST(Sprig, Lists) {
  expect({{"list(1, 'a', nil)", R"([1,"a",null])"},
          {"first([1, 2])", "1"},
          {"rest([1, 2, 3])", "[2,3]"},
          {"initial([1, 2, 3])", "[1,2]"},
          {"last([])", "null"},
          {"append([1], 2)", "[1,2]"},
          {"prepend([1], 2)", "[2,1]"},
          {"concat([1], [2, 3])", "[1,2,3]"},
          {"reverse([1, 2])", "[2,1]"},
          {"compact([0, 1, '', 'a', nil, false])", R"([1,"a"])"},
          {"uniq([1, 2, 1])", "[1,2]"},
          {"without([1, 2, 3], 1, 3)", "[2]"},
          {"has(4, [1, 4])", "true"},
          {"has('4', [1, 4])", "false"},
          {"slice([1, 2, 3, 4, 5], 1, 3)", "[2,3]"},
          {"slice([1, 2, 3], 1)", "[2,3]"},
          {"chunk(2, [1, 2, 3])", "[[1,2],[3]]"},
          {"join('-', [1, 'a', nil])", R"("1-a")"},
          {"join('-', 'alone')", R"("alone")"},
          {"sortAlpha(['c', 'a', 2])", R"(["2","a","c"])"},
          {"splitList('$', 'foo$bar')", R"(["foo","bar"])"},
          {"split('$', 'foo$bar')", R"({"_0":"foo","_1":"bar"})"},
          {"splitn('$', 2, 'a$b$c')", R"({"_0":"a","_1":"b$c"})"},
          {"until(3)", "[0,1,2]"},
          {"until(-2)", "[0,-1]"},
          {"untilStep(3, 6, 2)", "[3,5]"},
          {"untilStep(9007199254740992, 9007199254740994, 1)", "[9007199254740992,9007199254740993]"},
          {"untilStep(9223372036854775806, 9223372036854775807, 5)", "[9223372036854775806]"},
          {"seq(5)", R"("1 2 3 4 5")"},
          {"seq(-3)", R"("1 0 -1 -2 -3")"},
          {"seq(0, 2, 10)", R"("0 2 4 6 8 10")"},
          {"seq(0, -2, -5)", R"("0 -2 -4")"}});
}

TEST(Sprig, DefaultsAndMaps) {
  expect({{"default('a', '')", R"("a")"},
          {"default('a', 0)", R"("a")"},
          {"default('a', 'b')", R"("b")"},
          {"default('a')", R"("a")"},
          {"empty([])", "true"},
          {"coalesce(0, '', 1, 2)", "1"},
          {"all(0, 1)", "false"},
          {"any(0, 1)", "true"},
          {"ternary('yes', 'no', true)", R"("yes")"},
          {"fromJson('{\"a\": 1}').a", "1"},
          {"fromJson('nonsense')", "null"},
          {"toRawJson('<')", R"("\"<\"")"},
          {"kindOf(1.5)", R"("float64")"},
          {"typeOf([1])", R"("[]interface {}")"},
          {"dict('a', 1, 'b')", R"({"a":1,"b":""})"},
          {"get({a: 1}, 'b')", R"("")"},
          {"set({a: 1}, 'b', 2)", R"({"a":1,"b":2})"},
          {"unset({a: 1, b: 2}, 'a')", R"({"b":2})"},
          {"hasKey({a: 1}, 'a')", "true"},
          {"pluck('a', {a: 1}, {b: 2}, {a: 3})", "[1,3]"},
          {"keys({b: 1, a: 2})", R"(["a","b"])"},
          {"pick({a: 1, b: 2}, 'b')", R"({"b":2})"},
          {"omit({a: 1, b: 2}, 'b')", R"({"a":1})"},
          {"dig('a', 'b', 0, {a: {b: 5}})", "5"},
          {"dig('a', 'c', 0, {a: {b: 5}})", "0"}});
}

TEST(Sprig, Numbers) {
  expect({{"int('12')", "12"},
          {"int('12.0')", "12"},
          {"int('12.5')", "12"},
          {"int('-.5')", "0"},
          {"int('1.2.3')", "0"},
          {"int('0x1f')", "31"},
          {"int('010')", "8"},
          {"int('nonsense')", "0"},
          {"int(3.9)", "3"},
          {"float64('1.5')", "1.5"},
          {"atoi('7')", "7"},
          {"add(1, '2', 3.9)", "6"},
          {"add1(1)", "2"},
          {"sub(5, 2)", "3"},
          {"div(7, 2)", "3"},
          {"div(7, 0)", "integer divide by zero"},
          {"mod(7, 4)", "3"},
          {"mul(2, 3, 4)", "24"},
          {"max(1, 5, 3)", "5"},
          {"min(1, 5, 3)", "1"},
          {"maxf(1.5, 2)", "2"},
          {"floor(123.9)", "123"},
          {"ceil('1.1')", "2"},
          {"round(123.555555, 3)", "123.556"},
          {"round(123.5555, 3, .6)", "123.555"},
          {"toDecimal('777')", "511"},
          {"addf(0.1, 0.2)", "0.3"},
          {"subf(7.5, 2, 3)", "2.5"},
          {"mulf(1.5, 2, 2)", "6"},
          {"divf(10, 4)", "2.5"},
          {"divf(1, 3)", "0.3333333333333333"},
          {"divf(2, 3)", "0.6666666666666667"},
          {"divf(1, 0)", "division by zero, or a number out of range"}});
}

TEST(Sprig, DatesAreUtcAndTheClockIsGiven) {
  expect(
      {{"now()", R"("2026-11-29T20:30:05Z")"},
       {"date('2006-01-02 15:04:05', sprig.now())", R"("2026-11-29 20:30:05")"},
       {"date('2006', 0)", R"("1970")"},
       {"date('2006', 'no time')", R"("2026")"},
       {"htmlDate(sprig.now())", R"("2026-11-29")"},
       {"dateInZone('15:04', 0, 'UTC')", R"("00:00")"},
       {"dateInZone('15:04', 0, 'Europe/Berlin')", "time zone Europe/Berlin is not implemented: UTC alone"},
       {"date('15:04', sprig.dateModify('-1h30m', sprig.now()))", R"("19:00")"},
       {"unixEpoch(sprig.toDate('2006-01-02', '2017-12-31'))", R"("1514678400")"},
       {"mustToDate('2006-01-02', 'x')", "toDate: x is not of the layout 2006-01-02"},
       {"ago(sprig.dateModify('-95s', sprig.now()))", R"("1m35s")"},
       {"duration('95')", R"("1m35s")"},
       {"durationRound('2h10m5s')", R"("2h")"}});
}

TEST(Sprig, Paths) {
  expect({{"base('/a/b.txt')", R"("b.txt")"},
          {"base('a/b/')", R"("b")"},
          {"base('')", R"(".")"},
          {"base('//')", R"("/")"},
          {"dir('/a/b.txt')", R"("/a")"},
          {"dir('b')", R"(".")"},
          {"clean('/../a//b/./../c/')", R"("/a/c")"},
          {"clean('../a/../..')", R"("../..")"},
          {"clean('')", R"(".")"},
          {"ext('a/b.tar.gz')", R"(".gz")"},
          {"ext('a.b/c')", R"("")"},
          {"isAbs('/a')", "true"}});
}

TEST(Sprig, Patterns) {
  expect({{"regexMatch('^[a-z]+$', 'abc')", "true"},
          {"regexMatch('(', 'abc')", "false"},
          {"mustRegexMatch('(', 'abc')", "invalid pattern: missing ): ("},
          {"regexFind('[a-z][1-9]', 'abcd1234')", R"("d1")"},
          {"regexFindAll('[2,4,6,8]', '123456789', -1)", R"(["2","4","6","8"])"},
          {"regexReplaceAll('a(x*)b', '-ab-axxb-', '${1}W')", R"("-W-xxW-")"},
          {"regexReplaceAll('a(x*)b', '-ab-axxb-', '$1W')", R"("---")"},
          {"regexReplaceAllLiteral('a(x*)b', '-ab-axxb-', '${1}')", R"("-${1}-${1}-")"},
          {"regexSplit('z+', 'pizza', -1)", R"(["pi","a"])"},
          {"regexSplit('z', 'pizza', 2)", R"(["pi","za"])"},
          {"regexReplaceAll('x*', 'abc', '-')", R"("-a-b-c-")"},
          {"regexQuoteMeta('1.2.3')", R"("1\\.2\\.3")"}});
}

}  // namespace
}  // namespace ingot::expr
