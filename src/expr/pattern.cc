#include "expr/pattern.h"

#include <re2/re2.h>

namespace ingot::expr {

Maybe<Pattern> Pattern::compile(std::string_view text, int64_t& steps) {
  steps -= 1'000 + 10 * int64_t(text.size());
  if (steps < 0) return wrong("the expression takes more steps than are allowed");
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(1 << 20);
  auto compiled = std::make_shared<const RE2>(text, options);
  if (!compiled->ok()) return wrong("invalid pattern: " + compiled->error());
  return Pattern(std::move(compiled));
}

bool Pattern::matches(std::string_view text) const { return RE2::PartialMatch(text, *compiled_); }

bool Pattern::find(std::string_view text, size_t from, std::vector<std::string_view>& groups) const {
  std::vector<re2::StringPiece> found(size_t(compiled_->NumberOfCapturingGroups()) + 1);
  if (!compiled_->Match(text, from, text.size(), RE2::UNANCHORED, found.data(), int(found.size())))
    return false;
  groups.clear();
  for (const auto& one : found) groups.emplace_back(one.data(), one.size());
  return true;
}

int Pattern::groups() const { return compiled_->NumberOfCapturingGroups(); }
int Pattern::group_named(const std::string& name) const {
  const auto& names = compiled_->NamedCapturingGroups();
  const auto found = names.find(name);
  return found == names.end() ? -1 : found->second;
}

}  // namespace ingot::expr
