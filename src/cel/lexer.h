// Text → tokens. Source: the CEL language definition, "Syntax". Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cel/ast.h"

namespace ingot::cel {

struct Token {
  enum class Kind : uint8_t { End, Literal, Word, Sign };
  Kind kind = Kind::End;
  size_t at = 0;
  std::string_view text;  // of a Word or Sign
  Value value;            // of a Literal
  bool is(std::string_view sign) const { return kind == Kind::Sign && text == sign; }
};

// The last token is End. The views are into `text`.
Maybe<std::vector<Token>> tokens(std::string_view text);

}  // namespace ingot::cel
