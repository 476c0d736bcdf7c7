// The functions of the language, one row each: what it takes and what it does. Sources: expr-lang's builtin package,
// Masterminds/sprig, argo-workflows' util/expr/env. Any thread.
#pragma once

#include <span>

#include "expr/value.h"

namespace ingot::expr {

// What a call may look at besides its arguments. Whoever makes something much larger than its arguments asks first.
struct Call {
  std::span<const Value> arguments;
  WallTime now;
  int64_t& steps;

  size_t size() const { return arguments.size(); }
  const Json& operator[](size_t i) const { return *arguments[i]; }
  std::string_view text(size_t i) const { return text_of(*arguments[i]); }
  int64_t integer(size_t i) const { return integer_of(*arguments[i]); }
  double number(size_t i) const { return number_of(*arguments[i]); }
  const JsonArray& list(size_t i) const { return arguments[i]->get_array(); }
  const JsonObject& map(size_t i) const { return arguments[i]->get_object(); }
  bool may_make(double bytes) const { return bytes < 16.0 * double(steps); }
};
inline constexpr std::string_view kTooDear = "the expression takes more steps than are allowed";

using Made = Maybe<Json>;

struct Function {
  std::string_view name;
  // One letter for each argument: s text, i integer, n number, b bool, l list, m map, t time, a anything. After '?' they
  // may be left out; of the letter before '*' there may be any number.
  std::string_view takes;
  Made (*call)(const Call&);
  bool zeroes = false;  // nil is the zero of what is taken, as calls by reflection have it
};

// nullptr: there is none. Those of expr-lang and Argo; those below "sprig.".
const Function* builtin(std::string_view name);
const Function* sprig(std::string_view name);
// A name that upstream has and we have not, and why: "now: what an expression gives must not depend on the clock".
std::string missing_builtin(std::string_view name);

// "": so many arguments are right; otherwise "trim takes 1 or 2 arguments, not 3".
std::string count_fault(const Function&, size_t given);
// Checks the types, then calls.
Made call(const Function&, std::span<const Value> arguments, WallTime now, int64_t& steps);

}  // namespace ingot::expr
