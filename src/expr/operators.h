// What the operators do with two values. Source: expr-lang, vm and vm/runtime. Pure; any thread.
#pragma once

#include "expr/functions.h"

namespace ingot::expr {

// Every operator but &&, || and ??, which look at their right side only where it matters.
Made operate(std::string_view sign, const Json& left, const Json& right, const Call& budget);
Made negate(std::string_view sign, const Json&);  // "!", "-", "+"

// a[b] and a.b: nil where a map has no such key; an error where a list has no such item or `of` has no parts.
Outcome fetch(const Value& of, const Json& key);
Made slice(const Json& of, const Json& from, const Json& to);

// "invalid operation: string + int".
std::string no_operation(std::string_view sign, const Json& left, const Json& right);

}  // namespace ingot::expr
