// The parts of kubectl's JSONPath. Plain values; any thread.
#pragma once

#include <array>
#include <optional>

#include "expr/value.h"

namespace ingot::expr {

struct PathNode {
  enum class Kind : uint8_t {
    Literal,  // a text between actions or in quotes, a number, a bool
    Action,   // {…}: its nodes one after another
    Field,    // text
    Array,    // bounds
    Filter,   // nodes[0] text nodes[1]; "exists" has nodes[0] alone
    Union,    // of the nodes
    Wildcard,
    Recursive,
    Range,
    End,
  };
  Kind kind;
  std::string text;
  Json value;
  std::array<std::optional<int64_t>, 3> bounds;
  bool one = false;  // of an Array: an index, so that bounds[1] is the next
  std::vector<PathNode> nodes;
};

// Every {range …} has its {end}.
Maybe<std::vector<PathNode>> parse_jsonpath(std::string_view text);

}  // namespace ingot::expr
