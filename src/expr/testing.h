// For the tests of this room: an expression, its variables, and what comes of it as text.
#pragma once

#include "expr/go_text.h"
#include "expr/program.h"
#include "expr/variables.h"

namespace ingot::expr {

inline Variables variables(std::string_view json) {
  return Variables(api::parse_json(json).value().get_object());
}

// The result as JSON, or the error of either stage.
inline std::string result(std::string_view expression, std::string_view named = "{}") {
  const auto program = Program::compile(expression);
  if (!program) return program.error();
  int64_t steps = 1'000'000;
  const auto now = *parse_rfc3339("2026-11-29T20:30:05.5Z");
  const auto json = program->run(variables(named).nested(), steps, {.now = now});
  return json ? json_text(*json, {.html_safe = false}).value_or("no JSON") : json.error();
}

struct Case {
  std::string_view expression, result;
};

}  // namespace ingot::expr
