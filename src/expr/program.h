// An expression of a workflow template (expr-lang with Argo's functions), compiled once. Immutable; any thread.
// Texts come from tenants: size, depth, steps and what is made are bounded, and nothing throws.
#pragma once

#include <memory>

#include "expr/value.h"

namespace ingot::expr {

struct Ast;

// What the world tells an expression, which has no clock.
struct Surroundings {
  WallTime now;
};

class Program {
 public:
  // Error, also for what is not implemented: "1:8: unknown function foo".
  static Maybe<Program> compile(std::string_view text);

  // `variables`: an object; `a.b` reads its member `b` of member `a` (variables.h makes one of Argo's dotted names).
  // A member that is not there is nil, a variable that is not there an error: "unknown name a". `steps`: what this and
  // others after it may still take; one takes at most kMaxSteps (evaluator.h).
  Maybe<Json> run(const Json& variables, int64_t& steps, Surroundings = {}) const;

  // The variables it reads, as far as their names are known beforehand, each once: "inputs.parameters.x",
  // "tasks.A.outputs.result".
  std::vector<std::string> names() const;
  // Those that must be there for it to mean anything: of `tasks.a.b ?? 'c'` only "tasks", of `item.a?.b` only "item".
  // Source: argo-workflows, util/template/expression_template.go, getIdentifiers.
  std::vector<std::string> required() const;

 private:
  explicit Program(std::shared_ptr<const Ast> ast) : ast_(std::move(ast)) {}
  std::shared_ptr<const Ast> ast_;
};

}  // namespace ingot::expr
