// Which variables a tree reads. Pure; any thread.
#pragma once

#include "expr/ast.h"

namespace ingot::expr {

enum class Reading : uint8_t { All, Required };
std::vector<std::string> names_of(const Ast&, Reading);

}  // namespace ingot::expr
