#include "policy/prices.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>

namespace ingot::policy {
namespace {

constexpr int64_t kMicro = 1'000'000;
constexpr int64_t kMostPerHour = 1'000'000;
constexpr int64_t kMostAmountOfMoney = 1'000'000'000'000;
constexpr int64_t kMostTime = int64_t(100) * 366 * 86'400 * kMicro;  // the product below stays under 2^127
constexpr int64_t kMostAmount = 1'000'000'000;

int64_t price_at(const api::Json& list, std::initializer_list<std::string_view> path) {
  return parse_price(api::string_at(list, path)).value_or(0);
}

bool digits(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

namespace {

// Micro-units, of at most `most` units.
std::optional<int64_t> parse_micro(std::string_view text, size_t most_digits, int64_t most) {
  const size_t dot = text.find('.');
  const std::string_view whole = text.substr(0, dot);
  const std::string_view part = dot == text.npos ? std::string_view{} : text.substr(dot + 1);
  if (whole.empty() || whole.size() > most_digits || !digits(whole) || !digits(part)) return std::nullopt;
  if (dot != text.npos && part.empty()) return std::nullopt;
  int64_t units = 0;
  std::from_chars(whole.data(), whole.data() + whole.size(), units);
  int64_t micro = 0;
  for (size_t i = 0; i < 6; ++i) micro = micro * 10 + (i < part.size() ? part[i] - '0' : 0);
  if (part.size() > 6 && part[6] >= '5') ++micro;
  const int64_t all = units * kMicro + micro;
  return all <= most * kMicro ? std::optional(all) : std::nullopt;
}

}  // namespace

std::optional<int64_t> parse_price(std::string_view text) { return parse_micro(text, 7, kMostPerHour); }
std::optional<int64_t> parse_amount(std::string_view text) {
  return parse_micro(text, 13, kMostAmountOfMoney);
}

std::string shown_micro(int64_t micro) {
  const int64_t size = std::abs(std::max(micro, -std::numeric_limits<int64_t>::max()));
  constexpr int64_t kCent = 10'000;
  // Fractions of a cent are told where there is little else.
  std::string text = format_micro(size >= kMicro ? micro + (micro < 0 ? -kCent / 2 : kCent / 2) : micro);
  const size_t least = text.find('.') + 3;
  if (size >= kMicro) return text.substr(0, least);
  while (text.size() > least && text.back() == '0') text.pop_back();
  return text;
}

std::string format_micro(int64_t micro) {
  const uint64_t size = micro < 0 ? 0 - uint64_t(micro) : uint64_t(micro);
  const std::string part = std::to_string(size % kMicro);
  return (micro < 0 ? "-" : "") + std::to_string(size / kMicro) + "." + std::string(6 - part.size(), '0') +
         part;
}

Prices prices_from(const api::Json* list) {
  Prices prices;
  if (!list) return prices;
  if (const auto currency = api::string_at(*list, {"spec", "currency"}); !currency.empty())
    prices.currency = currency;
  for (const auto& [model, price] : api::object_at(*list, {"spec", "gpuHour"})) {
    if (!price.is_string()) continue;
    const auto& text = price.get_string();
    const int64_t value = parse_price({text.data(), text.size()}).value_or(0);
    const std::string name(model.data(), model.size());
    if (name == "default")
      prices.gpu_hour_default = value;
    else
      prices.gpu_hour.emplace(name, value);
  }
  prices.cpu_hour = price_at(*list, {"spec", "cpuHour"});
  prices.memory_gib_hour = price_at(*list, {"spec", "memoryGiBHour"});
  return prices;
}

int64_t Prices::gpu(std::string_view model) const {
  const auto found = gpu_hour.find(model);
  return found == gpu_hour.end() ? gpu_hour_default : found->second;
}

int64_t cost(int64_t price, std::chrono::microseconds time, int64_t amount, int64_t unit) {
  const __int128 held = std::clamp<int64_t>(time.count(), 0, kMostTime);
  const __int128 part = __int128(3'600) * kMicro * unit;
  const __int128 exact = held * price * std::clamp<int64_t>(amount, 0, kMostAmount);
  return int64_t(std::min<__int128>((exact + part / 2) / part, std::numeric_limits<int64_t>::max()));
}

int64_t cost(const Prices& prices, const Load& load, std::chrono::microseconds time) {
  return cost(prices.gpu(load.model), time, load.gpu_milli, 1000) +
         cost(prices.cpu_hour, time, load.cpu_milli, 1000) +
         cost(prices.memory_gib_hour, time, load.memory_mib, 1024);
}

}  // namespace ingot::policy
