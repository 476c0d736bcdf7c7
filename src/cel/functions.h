// The functions and operators of the language, one row for each overload: what it takes and what it does. Source: the
// CEL language definition, "Standard Definitions"; quantities and versions: k8s.io/apiserver pkg/cel/library. Any
// thread.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "cel/value.h"

namespace ingot::cel {

using Outcome = std::expected<Value, std::string>;  // the error says what went wrong, for people

struct Function {
  std::string_view name;  // operators: "_+_"
  bool member = false;    // receiver.name(…): the receiver is the first argument
  std::span<const Type> takes;
  Type gives;
  Outcome (*call)(std::span<const Value>);
};

// Whether a value of this type, as the checker knows it, can be what a parameter takes.
bool accepts(Type parameter, Type argument);
bool is_function(std::string_view name, bool member);
// The first overload that accepts the types; nullptr: none.
const Function* overload(std::string_view name, bool member, std::span<const Type> types);
// What it gives, for the checker: of all overloads that accept the types; Dyn where they differ.
Type result_of(std::string_view name, bool member, std::span<const Type> types);
// "matches(string, string)" with the types that were found.
std::string no_overload(std::string_view name, bool member, std::span<const Type> types);
// Why RE2 would not have this pattern; "": it would.
std::string pattern_fault(std::string_view pattern);

}  // namespace ingot::cel
