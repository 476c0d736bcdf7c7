// An expression as a tree in one vector. Plain values; any thread. Invariants: a node's children stand before it, so
// the root is the last; no path from the root is longer than kMaxDepth.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "cel/value.h"

namespace ingot::cel {

inline constexpr int kMaxDepth = 100;

using NodeId = uint32_t;
struct Node {
  enum class Kind : uint8_t {
    Literal,
    Name,
    Select,  // children[0].name
    Has,     // has(children[0].name)
    Call,    // name(children…); of a member function children[0] is the receiver
    MakeList,
    And,  // of two or more
    Or,
    Conditional,
    Bind,    // cel.bind(name, children[0], children[1])
    All,     // children[0].all(name, children[1])
    Exists,  // children[0].exists(name, children[1])
  };
  Kind kind;
  uint32_t at = 0;  // byte of the text
  bool member = false;
  std::string name;  // operators: "_+_"
  Value value;
  std::vector<NodeId> children;
  int depth = 1;
};
struct Ast {
  std::vector<Node> nodes;
  NodeId root() const { return NodeId(nodes.size() - 1); }
};

struct Problem {
  size_t at = 0;
  std::string message;
};
template <class T>
using Maybe = std::expected<T, Problem>;

}  // namespace ingot::cel
