// What takes the place of one tag. Pure; any thread.
#pragma once

#include "expr/template.h"

namespace ingot::expr {

class Filler {
 public:
  Filler(const Variables& variables, int64_t& steps, const FillOptions& options)
      : variables_(variables), steps_(steps), options_(options) {}

  Filled<std::string> simple(std::string_view tag) const;
  Filled<std::string> expression(std::string_view tag, const Program&) const;

 private:
  bool must_be_there(std::string_view name) const;

  const Variables& variables_;
  int64_t& steps_;
  const FillOptions& options_;
};

}  // namespace ingot::expr
