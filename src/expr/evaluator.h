// Runs a tree. Pure; any thread.
#pragma once

#include "expr/ast.h"

namespace ingot::expr {

// What one evaluation may cost: a step for each node, and for each value or 16 bytes that is read or made by a function
// or an operator; a regular expression costs as much as it takes to compile it.
inline constexpr int64_t kMaxSteps = 200'000;

// `variables` is an object and outlives the outcome. Takes its steps from `left`, which several evaluations may share.
Outcome evaluate(const Ast&, const Json& variables, WallTime now, int64_t& left);

}  // namespace ingot::expr
