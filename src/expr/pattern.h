// Regular expressions (RE2, whose syntax Go's regexp has), at a price. Any thread.
#pragma once

#include <memory>
#include <optional>

#include "expr/value.h"

namespace re2 {
class RE2;
}

namespace ingot::expr {

class Pattern {
 public:
  // Takes from `steps` what compiling costs.
  static Maybe<Pattern> compile(std::string_view text, int64_t& steps);

  bool matches(std::string_view) const;  // anywhere
  // The leftmost match at or after `from`; groups[0] is the whole.
  bool find(std::string_view text, size_t from, std::vector<std::string_view>& groups) const;
  int groups() const;
  int group_named(const std::string&) const;  // -1: none

 private:
  explicit Pattern(std::shared_ptr<const re2::RE2> compiled) : compiled_(std::move(compiled)) {}
  std::shared_ptr<const re2::RE2> compiled_;
};

}  // namespace ingot::expr
