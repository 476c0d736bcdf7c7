// An expression as a tree in one vector. Plain values; any thread. Invariants: a node's children stand before it; no
// path from the root is longer than kMaxDepth.
#pragma once

#include <vector>

#include "expr/functions.h"

namespace ingot::expr {

inline constexpr int kMaxDepth = 200;

using NodeId = uint32_t;
struct Node {
  enum class Kind : uint8_t {
    Literal,
    Name,         // a variable, or what `let` named
    Pointer,      // "": #, the item; "index", "acc"
    Member,       // children[0].name, or children[0][children[1]]
    Slice,        // children[0][children[1]:children[2]]; a bound left out is the literal nil
    Chain,        // children[0]; ends what a `?.` inside skips
    Unary,        // "!", "-", "+"
    Binary,       // name: the operator in its sign form, "&&" for "and"
    Conditional,  // of three
    Let,          // name = children[0]; children[1]
    Sequence,     // the last counts
    List,
    Map,   // key, value, key, value…
    Each,  // name(children…): a function with a predicate, which is children[1]
    Call,  // function(children…)
  };
  Kind kind;
  uint32_t at = 0;  // byte of the text
  bool optional = false;
  std::string name;
  Value value;
  const Function* function = nullptr;
  std::vector<NodeId> children;
  int depth = 1;
};
struct Ast {
  std::vector<Node> nodes;
  NodeId root = 0;
};

struct Problem {
  size_t at = 0;
  std::string message;
};

}  // namespace ingot::expr
