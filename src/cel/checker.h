// Whether an expression can mean anything: every name, field and function exists and is given what it takes. Pure; any
// thread.
#pragma once

#include <optional>

#include "cel/ast.h"

namespace ingot::cel {

// The variable `device` is all there is (k8s.io/dynamic-resource-allocation/cel). Gives the type of the whole.
Maybe<Type> check(const Ast&);

}  // namespace ingot::cel
