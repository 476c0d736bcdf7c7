#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "expr/go_text.h"
#include "expr/rows.h"
#include "expr/sprig_values.h"

namespace ingot::expr {
namespace {

// --- integers, of whatever is given; they wrap ---

Made wrapped(uint64_t n) { return Json(int64_t(n)); }
uint64_t bits(const Json& json) { return uint64_t(as_int(json)); }

Made to_int(const Call& c) { return Json(as_int(c[0])); }
Made to_float(const Call& c) { return Json(as_float(c[0])); }
Made atoi(const Call& c) { return Json(parsed_int(c.text(0)).value_or(0)); }
Made octal(const Call& c) {
  const std::string digits = printed(c[0]);
  int64_t n = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n, 8);
  return Json(error == std::errc{} && end == digits.data() + digits.size() ? n : 0);
}

Made add(const Call& c) {
  uint64_t sum = 0;
  for (const Value& value : c.arguments) sum += bits(*value);
  return wrapped(sum);
}
Made add1(const Call& c) { return wrapped(bits(c[0]) + 1); }
Made subtract(const Call& c) { return wrapped(bits(c[0]) - bits(c[1])); }
Made multiply(const Call& c) {
  uint64_t product = 1;
  for (const Value& value : c.arguments) product *= bits(*value);
  return wrapped(product);
}
template <bool Remainder>
Made divide(const Call& c) {
  const int64_t x = as_int(c[0]), y = as_int(c[1]);
  if (y == 0) return wrong("integer divide by zero");
  if (y == -1) return Remainder ? Made(Json(int64_t(0))) : wrapped(-uint64_t(x));
  return Json(Remainder ? x % y : x / y);
}
template <bool Largest>
Made extreme(const Call& c) {
  int64_t best = as_int(c[0]);
  for (const Value& value : c.arguments)
    best = Largest ? std::max(best, as_int(*value)) : std::min(best, as_int(*value));
  return Json(best);
}

// --- floats ---

template <bool Largest>
Made extreme_float(const Call& c) {
  double best = as_float(c[0]);
  for (const Value& value : c.arguments)
    best = Largest ? std::max(best, as_float(*value)) : std::min(best, as_float(*value));
  return Json(best);
}
Made floor(const Call& c) { return Json(std::floor(as_float(c[0]))); }
Made ceil(const Call& c) { return Json(std::ceil(as_float(c[0]))); }
// round(number, places, from which fraction it is up: .5)
Made round(const Call& c) {
  const double scale = std::pow(10, double(c.integer(1))), scaled = scale * as_float(c[0]);
  double whole = 0;
  const double fraction = std::modf(scaled, &whole), up = c.size() == 3 ? c.number(2) : 0.5;
  return Json((fraction >= up ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

// --- decimals: 0.1 + 0.2 is 0.3 ---

struct Decimal {
  __int128 digits = 0;
  int exponent = 0;
};
std::optional<Decimal> decimal(double d) {
  char buffer[64];
  if (!std::isfinite(d)) return std::nullopt;
  const auto end = std::to_chars(buffer, std::end(buffer), d, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, end);
  Decimal out;
  const size_t e = text.find('e');
  for (const char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') out.digits = out.digits * 10 + (c - '0');
  }
  if (text[0] == '-') out.digits = -out.digits;
  std::from_chars(buffer + e + 1 + (text[e + 1] == '+'), end, out.exponent);
  if (const size_t point = text.find('.'); point != text.npos) out.exponent -= int(e - point - 1);
  return out;
}
double value(Decimal d) {
  std::string digits;
  const bool negative = d.digits < 0;
  for (unsigned __int128 n = negative ? -(unsigned __int128)(d.digits) : (unsigned __int128)(d.digits); n;
       n /= 10)
    digits += char('0' + int(n % 10));
  std::ranges::reverse(digits);
  const std::string text =
      (negative ? "-" : "") + (digits.empty() ? "0" : digits) + "e" + std::to_string(d.exponent);
  return parsed_float(text).value_or(0);
}
bool shift(Decimal& d, int exponent) {
  for (; d.exponent > exponent; --d.exponent)
    if (__builtin_mul_overflow(d.digits, __int128(10), &d.digits)) return false;
  return true;
}

using Operation = std::optional<Decimal> (*)(Decimal, Decimal);
template <int Sign>
std::optional<Decimal> sum(Decimal a, Decimal b) {
  const int exponent = std::min(a.exponent, b.exponent);
  if (a.digits == 0) a.exponent = exponent;
  if (b.digits == 0) b.exponent = exponent;
  Decimal out{0, exponent};
  if (!shift(a, exponent) || !shift(b, exponent)) return std::nullopt;
  if (__builtin_add_overflow(a.digits, Sign * b.digits, &out.digits)) return std::nullopt;
  return out;
}
std::optional<Decimal> product(Decimal a, Decimal b) {
  Decimal out{0, a.exponent + b.exponent};
  if (__builtin_mul_overflow(a.digits, b.digits, &out.digits)) return std::nullopt;
  return out;
}
// To 16 places, half away from zero.
std::optional<Decimal> quotient(Decimal a, Decimal b) {
  constexpr int kPlaces = 16;
  if (b.digits == 0) return std::nullopt;
  if (!shift(a, std::min(a.exponent, b.exponent - kPlaces))) return std::nullopt;
  const int exponent = a.exponent - b.exponent;
  __int128 digits = a.digits / b.digits;
  const __int128 left = a.digits % b.digits;
  const auto size = [](__int128 n) { return n < 0 ? -n : n; };
  if (exponent == -kPlaces && size(left) >= size(b.digits) - size(left))
    digits += (a.digits < 0) == (b.digits < 0) ? 1 : -1;
  return Decimal{digits, exponent};
}

Made decimals(const Call& c, double first, size_t from, Operation operation) {
  auto so_far = decimal(first);
  for (size_t i = from; so_far && i < c.size(); ++i) {
    const auto next = decimal(as_float(c[i]));
    so_far = next ? operation(*so_far, *next) : std::nullopt;
  }
  return so_far ? Made(Json(value(*so_far))) : wrong("division by zero, or a number out of range");
}
Made addf(const Call& c) { return decimals(c, 0, 0, sum<1>); }
Made add1f(const Call& c) { return decimals(c, 1, 0, sum<1>); }
template <Operation Op>
Made fold(const Call& c) {
  return decimals(c, as_float(c[0]), 1, Op);
}

constexpr Function kRows[] = {
    {"int", "a", to_int},
    {"int64", "a", to_int},
    {"float64", "a", to_float},
    {"atoi", "s", atoi, true},
    {"toDecimal", "a", octal},
    {"add", "a*", add},
    {"add1", "a", add1},
    {"sub", "aa", subtract},
    {"mul", "aa*", multiply},
    {"div", "aa", divide<false>},
    {"mod", "aa", divide<true>},
    {"max", "aa*", extreme<true>},
    {"biggest", "aa*", extreme<true>},
    {"min", "aa*", extreme<false>},
    {"maxf", "aa*", extreme_float<true>},
    {"minf", "aa*", extreme_float<false>},
    {"floor", "a", floor},
    {"ceil", "a", ceil},
    {"round", "ai?n", round, true},
    {"addf", "a*", addf},
    {"add1f", "a", add1f},
    {"subf", "aa*", fold<sum<-1>>},
    {"mulf", "aa*", fold<product>},
    {"divf", "aa*", fold<quotient>},
};

}  // namespace

std::span<const Function> sprig_number_rows() { return kRows; }

}  // namespace ingot::expr
