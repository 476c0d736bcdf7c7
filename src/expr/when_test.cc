#include "expr/when.h"

#include <gmock/gmock.h>

namespace ingot::expr {
namespace {

std::string told(std::string_view text) {
  const auto verdict = when(text);
  if (verdict) return *verdict ? "true" : "false";
  return verdict.error().substr(verdict.error().find("': ") + 3);
}

struct Case {
  std::string_view text, verdict;
};
void expect(std::initializer_list<Case> cases) {
  for (const auto& [text, verdict] : cases) EXPECT_EQ(told(text), verdict) << text;
}

TEST(When, WordsWithoutQuotesAreTexts) {
  expect({{"", "true"},
          {"heads == heads", "true"},
          {"heads == tails", "false"},
          {"Succeeded != Failed", "true"},
          {"'heads' == heads", "true"},
          {"\"a\" == 'a'", "true"},
          {"True == False", "false"},
          {"[with space] == 'with space'", "true"},
          {"hea\\-ds == 'hea-ds'", "true"},
          {"true", "true"},
          {"false", "false"},
          {"true == 'true'", "false"},
          {"heads", "gives heads, not true or false"},
          {"10Mi == 10Mi", "unexpected 'Mi' after '10'"},
          {"two words == x", "unexpected 'words' after 'two'"},
          {"my-value == my-value", "value 'my' cannot be used with -, it is no number"},
          {"v1.2 == v1.2", "unable to access 'v1.2': texts with a point must be quoted"},
          {"1.2.3 == 1.2.3", "unable to parse numeric value '1.2.3'"},
          {"{{x}} == a", "invalid token: '{{' (hint: quote what it is a part of)"},
          {"a = b", "invalid token: '=' (hint: quote what it is a part of)"},
          {"f(1)", "undefined function f"}});
}

TEST(When, NumbersAreFloats) {
  expect({{"3 < 5", "true"},
          {"1 == 1.0", "true"},
          {"0x1F == 31", "true"},
          {"1 + 2 * 3 == 7", "true"},
          {"2 ** 3 ** 2 == 64", "true"},
          {"10 - 3 - 2 == 5", "true"},
          {"-1 < 0", "true"},
          {"7 % 4 == 3", "true"},
          {"1 / 0 > 1", "true"},
          {"5 & 3 == 1", "true"},
          {"1 << 3 == 8", "true"},
          {"~1 == -2", "true"},
          {"5 > '3'", "value '5' cannot be used with >, it is no number"},
          {"'5' > '30'", "true"},
          {"'a' + 1 == 'a1'", "true"},
          {"1 ==-1", "invalid token: '==-' (hint: quote what it is a part of)"}});
}

TEST(When, Logic) {
  expect({{"a == a && b != c || false", "true"},
          {"false && 'x' > 1", "false"},
          {"true || 'x' > 1", "true"},
          {"!false", "true"},
          {"!(a == b)", "true"},
          {"!a", "unexpected 'a' after '!'"},
          {"!!true", "invalid token: '!!' (hint: quote what it is a part of)"},
          {"a && true", "value 'a' cannot be used with &&, it is no bool"},
          {"(a == a) == true", "true"},
          {"true ? false : true", "false"},
          {"false ? false : true", "true"},
          {"false ?? true", "false"},
          {"(true", "unbalanced parenthesis"},
          {"true)", "unbalanced parenthesis"},
          {"true &&", "unexpected end of expression"},
          {"&& true", "unexpected '&&' after ''"}});
}

TEST(When, ListsPatternsAndDates) {
  expect({{"a in (a, b)", "true"},
          {"c in ('a', 'b')", "false"},
          {"1 in (1, 2, 3)", "true"},
          {"a in (a)", "value 'a' cannot be used with in, it is no list"},
          {"heads =~ hea", "true"},
          {"heads !~ '^t'", "true"},
          {"1 =~ a", "value '1' cannot be used with =~, it is no text"},
          {"a =~ '('", "invalid pattern: missing ): ("},
          {"'2014-01-02' > '2014-01-01 23:59'", "true"},
          {"'2014-01-02' == '2014-01-02T00:00:00Z'", "true"},
          {"'2014-01-02T01:00:00+01:00' == '2014-01-02'", "true"},
          {"'2014-01-01' < 5", "false"},
          {"'a' + \"b' == ab", "true"},
          {"'open", "unclosed string literal"}});
}

TEST(When, IsBounded) {
  EXPECT_EQ(told(std::string(100'000, ' ')), "is too long");
  EXPECT_EQ(told(std::string(1'000, '(') + "true" + std::string(1'000, ')')), "nested too deeply");
  std::string sum = "1";
  for (int i = 0; i < 10'000; ++i) sum += " + 1";
  EXPECT_EQ(told(sum + " == 10001"), "true") << "a long chain is not deep";
}

}  // namespace
}  // namespace ingot::expr
