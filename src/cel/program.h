// An expression that chooses devices, compiled once. Immutable; any thread.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "cel/ast.h"
#include "cel/device.h"

namespace ingot::cel {

class Program {
 public:
  // Error: "compilation failed: ERROR: <input>:1:8: undeclared reference to 'foo' (in container '')".
  static std::expected<Program, std::string> compile(std::string_view text);

  // Error: why it has no answer for this device ("no such key: model"); such a device is not chosen.
  // `steps`: what this and others after it may still take; one takes at most kMaxSteps (evaluator.h).
  std::expected<bool, std::string> matches(const Value& device, int64_t& steps) const;

 private:
  explicit Program(Ast ast) : ast_(std::move(ast)) {}
  Ast ast_;
};

}  // namespace ingot::cel
