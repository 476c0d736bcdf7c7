// kubectl's JSONPath templates: {.items[*].metadata.name}, {range .items[*]}{.name}{"\n"}{end}. Source: k8s.io/client-go
// util/jsonpath. Members of a map are taken in the order of their keys. Immutable; any thread.
#pragma once

#include <memory>

#include "expr/value.h"

namespace ingot::expr {

struct PathNode;

class JsonPath {
 public:
  static Maybe<JsonPath> compile(std::string_view text);

  // As kubectl prints it: the values of one action with spaces between them, lists and maps as JSON. `allow_missing`: a
  // member that is not there is no text, as kubectl has it, instead of an error.
  Maybe<std::string> text(const Json&, int64_t& steps, bool allow_missing = true) const;
  // The values of all actions, texts between them included.
  Maybe<std::vector<Json>> find(const Json&, int64_t& steps, bool allow_missing = true) const;

 private:
  explicit JsonPath(std::shared_ptr<const std::vector<PathNode>> nodes) : nodes_(std::move(nodes)) {}
  std::shared_ptr<const std::vector<PathNode>> nodes_;  // of the root: texts and actions
};

}  // namespace ingot::expr
