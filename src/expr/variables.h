// What a template may name: Argo's dotted names with their values. Immutable; any thread.
//
// A simple tag finds "inputs.parameters.x" as it stands; an expression sees the member x of the member parameters of
// inputs. A value that is null is an optional output that its step did not make.
#pragma once

#include "expr/value.h"

namespace ingot::expr {

class Variables {
 public:
  // Of a name and another that begins with it and a point ("a", "a.b") expressions see the longer. Source:
  // argo-workflows, util/expand.
  explicit Variables(JsonObject named);

  const Json* find(std::string_view name) const;  // nullptr: unknown
  const Json& nested() const { return nested_; }
  // Whether expressions find it: a path of members that exist.
  bool has(std::string_view name) const;

 private:
  JsonObject named_;
  Json nested_;
};

}  // namespace ingot::expr
