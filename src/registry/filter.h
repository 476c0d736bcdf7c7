// The filter language of MLflow's searches: comparisons joined by AND, and what results are ordered by (mlflow:
// utils/search_utils.py). metrics.`a b` > 0.5 AND params.lr = '0.1' AND tags.team ILIKE '%vision%' AND run_id IN ('…').
// Pure; any thread. Bounded: kMostFilter bytes, kMostClauses comparisons. Errors are INVALID_PARAMETER_VALUE.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace ingot::registry {

inline constexpr size_t kMostFilter = 32 * 1024, kMostClauses = 64, kMostOrders = 16;

enum class Entity : uint8_t { Attribute, Metric, Param, Tag, Dataset };
enum class Compare : uint8_t {
  Equal,
  Unequal,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  Like,
  ILike,
  In,
  NotIn,
  Null,
  NotNull
};

// What may be asked of one kind of thing.
struct Grammar {
  std::span<const std::string_view> texts, numbers;  // attributes
  bool metrics = false, params = false, datasets = false;
};
const Grammar& run_grammar();
const Grammar& experiment_grammar();
const Grammar& model_grammar();

struct Clause {
  Entity entity = Entity::Attribute;
  std::string key;
  Compare compare = Compare::Equal;
  std::string text;
  double number = 0;
  int64_t whole = 0;  // of times: exact
  std::vector<std::string> list;
};
Result<std::vector<Clause>> parse_filter(std::string_view, const Grammar&);

struct Order {
  Entity entity = Entity::Attribute;
  std::string key;
  bool ascending = true;
};
Result<std::vector<Order>> parse_orders(const std::vector<std::string>&, const Grammar&);

// SQL's LIKE: % is any text, _ any one byte. `work` counts the steps taken.
bool like(std::string_view text, std::string_view pattern, bool fold_case, uint64_t& work);

// Whether a value is what a clause asks for; what is not there fulfils nothing but Null.
bool holds(const Clause&, std::optional<std::string_view>, uint64_t& work);
bool holds(const Clause&, std::optional<double>);
bool holds(const Clause&, std::optional<int64_t>);

}  // namespace ingot::registry
