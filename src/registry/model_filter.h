// What MLflow's searches of models and versions ask for: clauses joined by AND, and an order. Pure; any thread. Bounded: so many
// bytes and clauses, and patterns match in time of text times pattern at most.
//
// Facts: mlflow/utils/search_utils.py (SearchModelUtils, SearchModelVersionUtils).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace ingot::registry {

struct FilterClause {
  std::string key;  // "name"; of a tag "tags." and its key
  enum class Op : uint8_t {
    Equal,
    NotEqual,
    Like,
    ILike,
    In,
    Less,
    LessEqual,
    Greater,
    GreaterEqual
  } op = Op::Equal;
  std::vector<std::string> values;  // one, but of In
};

class ModelFilter {
 public:
  // `keys`: what may be asked for besides tags.
  static Result<ModelFilter> parse(std::string_view text, const std::vector<std::string_view>& keys);
  // `value`: of a key; nullopt: it has none, and no clause about it holds.
  bool matches(const std::function<std::optional<std::string>(std::string_view key)>& value) const;

 private:
  std::vector<FilterClause> clauses_;
};

struct OrderBy {
  std::string key;
  bool descending = false;
};
Result<std::vector<OrderBy>> parse_order(const std::vector<std::string>& texts,
                                         const std::vector<std::string_view>& keys);

// SQL's LIKE: % any text, _ any one byte.
bool is_like(std::string_view text, std::string_view pattern, bool ignore_case);

}  // namespace ingot::registry
