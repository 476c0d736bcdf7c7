// Tokens → tree. Source: expr-lang, docs/language-definition.md and parser. Every function that an expression calls is
// found here, so what is not implemented never gets past. Pure; any thread.
#pragma once

#include <string_view>

#include "expr/ast.h"

namespace ingot::expr {

// Texts longer than kMaxText bytes and trees deeper than kMaxDepth are refused.
inline constexpr size_t kMaxText = 64 * 1024;
std::expected<Ast, Problem> parse(std::string_view text);

}  // namespace ingot::expr
