// The tokens of a `when`. Plain values; any thread.
#pragma once

#include "expr/value.h"

namespace ingot::expr {

struct WhenToken {
  enum class Kind : uint8_t {
    Start,
    Prefix,
    Number,
    Bool,
    Text,
    Word,  // without quotes
    Time,
    Comparator,
    Logic,
    Modifier,
    Ternary,
    Open,
    Close,
    Comma,
  };
  Kind kind = Kind::Start;
  std::string text;  // as it is written, without quotes
  Json value;        // of a Number, Bool, Text, Word or Time
};

// Checked: each may follow the one before it, parentheses are balanced, the last may be the last.
Maybe<std::vector<WhenToken>> when_tokens(std::string_view text);

}  // namespace ingot::expr
