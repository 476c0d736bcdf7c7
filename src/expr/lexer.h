// Text → tokens. Source: expr-lang, docs/language-definition.md and parser/lexer. Pure; any thread.
#pragma once

#include <string_view>
#include <vector>

#include "expr/ast.h"

namespace ingot::expr {

struct Token {
  enum class Kind : uint8_t { End, Literal, Word, Sign };
  Kind kind = Kind::End;
  size_t at = 0;
  std::string_view text;  // as it is written; of a Sign the operator, also "in", "not", "let"…
  Value value;            // of a Literal
  bool is(std::string_view sign) const { return kind == Kind::Sign && text == sign; }
  bool is_text() const { return kind == Kind::Literal && value->is_string(); }
};

// The last token is End. The views are into `text`.
std::expected<std::vector<Token>, Problem> tokens(std::string_view text);

}  // namespace ingot::expr
