// Runs a checked tree. Pure; any thread.
#pragma once

#include "cel/ast.h"
#include "cel/functions.h"

namespace ingot::cel {

// What one evaluation may cost: a step for each node, and for each 16 bytes or items that a function looks at; a regular
// expression costs as much as it takes to compile it.
inline constexpr int64_t kMaxSteps = 100'000;

// Takes its steps from `left`, which several evaluations may share.
Outcome evaluate(const Ast&, const Value& device, int64_t& left);

}  // namespace ingot::cel
