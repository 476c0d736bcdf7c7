// Tokens → tree. Source: the CEL language definition, "Syntax" and "Macros". Pure; any thread.
#pragma once

#include <string_view>

#include "cel/ast.h"

namespace ingot::cel {

// Texts longer than kMaxText bytes and trees deeper than kMaxDepth are refused.
inline constexpr size_t kMaxText = 10 * 1024;
Maybe<Ast> parse(std::string_view text);

}  // namespace ingot::cel
