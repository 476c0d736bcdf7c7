// Prices and what a held resource costs. Integers all the way: a price is micro-units of the currency per hour, a cost
// micro-units, rounded half up once per ledger row (twice for the row of CPU and memory). Pure; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "api/json.h"
#include "base/time.h"

namespace ingot::policy {

struct Prices {
  std::string currency = "USD";
  std::map<std::string, int64_t, std::less<>> gpu_hour;  // by model
  int64_t gpu_hour_default = 0;
  int64_t cpu_hour = 0, memory_gib_hour = 0;
  int64_t gpu(std::string_view model) const;
};

// `price_list` is a PriceList or null (everything is free). What does not read as a price is 0.
Prices prices_from(const api::Json* price_list);

// "2.00" → 2,000,000. At most 1,000,000 an hour; digits past the sixth round half up. None: not a price.
std::optional<int64_t> parse_price(std::string_view);
// The same of an amount of money: at most 1,000,000,000,000.
std::optional<int64_t> parse_amount(std::string_view);
std::string format_micro(int64_t micro);  // "2.000000"
std::string shown_micro(int64_t micro);   // for people: "2.00", "0.0004"

// amount/unit of something for a time at price an hour: cost(p, t) one GPU, cost(p, t, milli, 1000) CPU,
// cost(p, t, mib, 1024) memory. Negative times cost nothing.
int64_t cost(int64_t price, std::chrono::microseconds time, int64_t amount = 1, int64_t unit = 1);

// What a pod holds, and what that costs for a time.
struct Load {
  std::string_view model;  // of its GPUs
  int64_t gpu_milli = 0, cpu_milli = 0, memory_mib = 0;
};
int64_t cost(const Prices&, const Load&, std::chrono::microseconds time);

}  // namespace ingot::policy
