#include "base/quantity.h"

#include <fmt/format.h>

#include <limits>

namespace ingot {
namespace {
struct Suffix {
  std::string_view text;
  __int128 numerator, denominator;
};
constexpr __int128 kKi = 1024;
constexpr Suffix kSuffixes[] = {
    {"n", 1, 1000000000},
    {"u", 1, 1000000},
    {"m", 1, 1000},
    {"", 1, 1},
    {"k", 1000, 1},
    {"M", 1000000, 1},
    {"G", 1000000000, 1},
    {"T", 1000000000000, 1},
    {"P", 1000000000000000, 1},
    {"E", 1000000000000000000, 1},
    {"Ki", kKi, 1},
    {"Mi", kKi* kKi, 1},
    {"Gi", kKi* kKi* kKi, 1},
    {"Ti", kKi* kKi* kKi* kKi, 1},
    {"Pi", kKi* kKi* kKi* kKi* kKi, 1},
    {"Ei", kKi* kKi* kKi* kKi* kKi* kKi, 1},
};
}  // namespace

std::optional<Quantity> Quantity::parse(std::string_view s) {
  bool negative = false;
  if (!s.empty() && (s[0] == '+' || s[0] == '-')) {
    negative = s[0] == '-';
    s.remove_prefix(1);
  }
  __int128 mantissa = 0;
  int decimals = 0, digits = 0;
  bool point = false;
  size_t i = 0;
  for (; i < s.size(); ++i) {
    if (s[i] == '.' && !point) {
      point = true;
    } else if (s[i] >= '0' && s[i] <= '9') {
      ++digits;
      if (mantissa < __int128(1) << 90) {
        mantissa = mantissa * 10 + (s[i] - '0');
        if (point) ++decimals;
      } else if (!point) {
        return std::nullopt;
      }
    } else {
      break;
    }
  }
  if (digits == 0) return std::nullopt;
  std::string_view suffix = s.substr(i);
  __int128 numerator = 1, denominator = 1;
  if (suffix.size() >= 2 && (suffix[0] == 'e' || suffix[0] == 'E') &&
      (suffix[1] == '-' || suffix[1] == '+' || (suffix[1] >= '0' && suffix[1] <= '9'))) {
    std::string_view digits_text = suffix.substr(1);
    const bool down = digits_text[0] == '-';
    if (digits_text[0] == '-' || digits_text[0] == '+') digits_text.remove_prefix(1);
    if (digits_text.empty() || digits_text.size() > 2) return std::nullopt;
    int exponent = 0;
    for (char c : digits_text) {
      if (c < '0' || c > '9') return std::nullopt;
      exponent = exponent * 10 + (c - '0');
    }
    if (exponent > 18) return std::nullopt;
    for (int n = 0; n < exponent; ++n) (down ? denominator : numerator) *= 10;
  } else {
    const Suffix* found = nullptr;
    for (const Suffix& candidate : kSuffixes)
      if (candidate.text == suffix) found = &candidate;
    if (!found) return std::nullopt;
    numerator = found->numerator;
    denominator = found->denominator;
  }
  for (; decimals > 0 && mantissa % 10 == 0; --decimals) mantissa /= 10;
  if (decimals > 18) return std::nullopt;
  for (int n = 0; n < decimals; ++n) denominator *= 10;
  constexpr __int128 kMax = std::numeric_limits<int64_t>::max();
  numerator *= 1000;
  __int128 value;
  if (mantissa != 0 && numerator > (__int128(1) << 126) / mantissa)
    value = kMax;
  else
    value = (mantissa * numerator + denominator - 1) / denominator;
  if (value > kMax) value = kMax;
  return Quantity{negative ? -int64_t(value) : int64_t(value)};
}

std::string format_milli(int64_t milli) {
  return milli % 1000 ? fmt::format("{}m", milli) : fmt::format("{}", milli / 1000);
}

std::string format_bytes(int64_t bytes) {
  static constexpr std::string_view kNames[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi"};
  size_t i = 0;
  while (bytes != 0 && bytes % 1024 == 0 && i + 1 < std::size(kNames)) {
    bytes /= 1024;
    ++i;
  }
  return fmt::format("{}{}", bytes, kNames[i]);
}
}  // namespace ingot
