// The parts of a JSONPath. Plain values; any thread.
#pragma once

#include <optional>

#include "expr/value.h"

namespace ingot::expr {

struct Condition;

struct PathStep {
  enum class Kind : uint8_t { Key, Index, Wildcard, Recursive, Union, Range, Filter, Script, Length };
  Kind kind;
  std::string key;                             // of a Key
  std::vector<Json> keys;                      // of a Union: texts or integers
  std::optional<int64_t> from, to, step;       // an Index is `from`
  std::shared_ptr<const Condition> condition;  // of a Filter or Script
};
struct Path {
  bool from_root = true;  // $; otherwise @
  std::vector<PathStep> steps;
};

// What stands in [?(…)] and [(…)].
struct Condition {
  enum class Kind : uint8_t { Literal, Path, Not, Binary };
  Kind kind;
  std::string sign;
  Json literal;
  Path path;
  std::vector<Condition> parts;
};

Maybe<Path> parse_path(std::string_view text);

}  // namespace ingot::expr
