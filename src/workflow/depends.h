// What a dag's task depends on: `depends: "A.Succeeded && (B || C.Failed)"`, or `dependencies: [A, B]`. Pure; any thread.
// Source: argo-workflows, workflow/common/ancestry.go and workflow/controller/dag.go.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace ingot::workflow {

enum class TaskResult : uint8_t {
  Succeeded,
  Failed,
  Errored,
  Skipped,
  Omitted,
  Daemoned,
  AnySucceeded,  // of the items of a task that expands
  AllFailed,
};

class Depends {
 public:
  // A name alone stands for Succeeded, Skipped or Daemoned, and what the task itself allows by continueOn.
  static std::expected<Depends, std::string> parse(std::string_view text);
  static Depends all_of(const std::vector<std::string>& names);

  const std::vector<std::string>& names() const { return names_; }  // each once, in order of appearance
  bool empty() const { return code_.empty(); }
  // `is(i, result)`: whether the task names()[i] ended so; `fine(i)`: as a name alone asks.
  bool holds(const std::function<bool(size_t, TaskResult)>& is,
             const std::function<bool(size_t)>& fine) const;

 private:
  struct Parser;
  enum class Op : uint8_t { Is, Fine, Not, And, Or };
  struct Step {
    Op op;
    uint32_t name = 0;
    TaskResult result{};
  };
  uint32_t add(std::string_view name);

  std::vector<std::string> names_;
  std::vector<Step> code_;  // in the order in which a stack runs it
};

}  // namespace ingot::workflow
