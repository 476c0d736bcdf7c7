#include "cel/program.h"

#include <algorithm>

#include "cel/checker.h"
#include "cel/evaluator.h"
#include "cel/parser.h"

namespace ingot::cel {
namespace {

std::string told(std::string_view text, const Problem& problem) {
  const std::string_view before = text.substr(0, problem.at);
  const auto line = 1 + std::ranges::count(before, '\n');
  const size_t start = before.rfind('\n');
  const size_t column = start == before.npos ? problem.at : problem.at - start - 1;
  return "compilation failed: ERROR: <input>:" + std::to_string(line) + ":" + std::to_string(column + 1) +
         ": " + problem.message;
}

}  // namespace

std::expected<Program, std::string> Program::compile(std::string_view text) {
  Maybe<Ast> ast = parse(text);
  if (!ast) return std::unexpected(told(text, ast.error()));
  const Maybe<Type> type = check(*ast);
  if (!type) return std::unexpected(told(text, type.error()));
  if (*type != Type::Bool && *type != Type::Dyn) return std::unexpected("must evaluate to bool");
  return Program(*std::move(ast));
}

std::expected<bool, std::string> Program::matches(const Value& device, int64_t& steps) const {
  const Outcome outcome = evaluate(ast_, device, steps);
  if (!outcome) return std::unexpected(outcome.error());
  const bool* verdict = outcome->as<bool>();
  if (!verdict) return std::unexpected("must evaluate to bool");
  return *verdict;
}

}  // namespace ingot::cel
