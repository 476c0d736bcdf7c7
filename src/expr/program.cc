#include "expr/program.h"

#include <algorithm>

#include "expr/evaluator.h"
#include "expr/names.h"
#include "expr/parser.h"

namespace ingot::expr {
namespace {

std::string told(std::string_view text, const Problem& problem) {
  const std::string_view before = text.substr(0, problem.at);
  const auto line = 1 + std::ranges::count(before, '\n');
  const size_t start = before.rfind('\n');
  const size_t column = start == before.npos ? problem.at : problem.at - start - 1;
  return std::to_string(line) + ":" + std::to_string(column + 1) + ": " + problem.message;
}

// Times leave as text.
void plain(Json& json) {
  if (is_time(json)) json = text(to_rfc3339(time_of(json)));
  if (auto* list = json.if_array()) std::ranges::for_each(*list, plain);
  if (auto* map = json.if_object())
    for (auto& member : *map) plain(member.value());
}

}  // namespace

Maybe<Program> Program::compile(std::string_view text) {
  auto ast = parse(text);
  if (!ast) return wrong(told(text, ast.error()));
  return Program(std::make_shared<const Ast>(*std::move(ast)));
}

Maybe<Json> Program::run(const Json& variables, int64_t& steps, Surroundings surroundings) const {
  if (!variables.is_object()) return wrong("the variables are no object");
  const Outcome outcome = evaluate(*ast_, variables, surroundings.now, steps);
  if (!outcome) return wrong(outcome.error());
  Json result = **outcome;
  plain(result);
  return result;
}

std::vector<std::string> Program::names() const { return names_of(*ast_, Reading::All); }
std::vector<std::string> Program::required() const { return names_of(*ast_, Reading::Required); }

}  // namespace ingot::expr
