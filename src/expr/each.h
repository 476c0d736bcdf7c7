// Functions that ask a predicate of each item of a list. Source: expr-lang, docs/language-definition.md. Pure; any thread.
#pragma once

#include <functional>

#include "expr/functions.h"

namespace ingot::expr {

using Predicate = std::function<Outcome(const Value& item, size_t index, const Value& acc)>;

// `name` is one that the parser knows. `more`: the third argument, null where there is none. What is made costs steps.
Outcome for_each(std::string_view name, const Value& list, const Predicate&, const Value& more,
                 int64_t& steps);

}  // namespace ingot::expr
