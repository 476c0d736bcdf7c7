#include "expr/filler.h"

#include <algorithm>

#include "expr/functions.h"
#include "expr/go_text.h"

namespace ingot::expr {
namespace {

using Kind = FillError::Kind;

std::string braces(std::string_view tag) { return "{{" + std::string(tag) + "}}"; }
std::unexpected<FillError> failed(Kind kind, std::string_view name, std::string message) {
  return std::unexpected(FillError{kind, std::string(name), std::move(message)});
}
std::unexpected<FillError> absent(std::string_view name, std::string_view tag) {
  return failed(Kind::Absent, name,
                braces(tag) + ": " + std::string(name) + " is an optional output that was not made");
}

// Variables that come late. Members that are not there are nil to an expression, so one that compares these must wait.
constexpr std::string_view kLate[] = {"item",
                                      "retries",
                                      "lastRetry.exitCode",
                                      "lastRetry.status",
                                      "lastRetry.duration",
                                      "lastRetry.message",
                                      "workflow.status",
                                      "workflow.failures"};

}  // namespace

bool Filler::must_be_there(std::string_view name) const {
  if (!options_.allow_unresolved) return true;
  return std::ranges::any_of(options_.required, [&](std::string_view prefix) {
    return name.starts_with(prefix) && (name.size() == prefix.size() || name[prefix.size()] == '.');
  });
}

Filled<std::string> Filler::simple(std::string_view tag) const {
  const std::string_view name = trimmed(tag);
  if (const Json* value = variables_.find(name)) {
    if (value->is_null()) return absent(name, tag);
    if (!value->is_string())
      return failed(Kind::Failed, tag, braces(tag) + ": " + std::string(name) + " is no text");
    return std::string(text_of(*value));
  }
  if (const size_t open = tag.rfind("{{"); open != tag.npos && open > 0) {
    const std::string_view inner = tag.substr(open + 2);
    const Json* value = variables_.find(inner);
    if (value && value->is_null()) return absent(inner, tag);
    if (value && value->is_string()) return "{{" + std::string(tag.substr(0, open)).append(text_of(*value));
  }
  // Artifacts may be optional: whoever resolves them knows.
  const bool artifact = options_.allow_unresolved && name.contains(".outputs.artifacts.");
  if (must_be_there(name) && !artifact)
    return failed(Kind::Missing, name, "failed to resolve " + braces(tag));
  return braces(tag);
}

Filled<std::string> Filler::expression(std::string_view tag, const Program& program) const {
  bool missing = false, late = false;
  for (const std::string& name : program.required()) {
    if (variables_.has(name)) continue;
    missing = true;
    late |= includes(kLate, name) || !variables_.has(name.substr(0, name.find('.')));
    if (must_be_there(name)) return failed(Kind::Missing, name, braces(tag) + ": " + name + " is missing");
  }
  const bool may_stay = options_.allow_unresolved && (missing || options_.required.empty());
  if (late && may_stay) return braces(tag);
  const auto result = program.run(variables_.nested(), steps_, options_.surroundings);
  if (!result && result.error() == kTooDear)
    return failed(Kind::Failed, tag, braces(tag) + ": " + result.error());
  if ((!result || result->is_null()) && may_stay) return braces(tag);
  if (!result) return failed(Kind::Failed, tag, braces(tag) + ": " + result.error());
  if (result->is_null()) return failed(Kind::Failed, tag, braces(tag) + ": gives nil");
  if (result->is_string()) return std::string(text_of(*result));
  auto text = json_text(*result);
  if (text) return *std::move(text);
  return may_stay ? Filled<std::string>(braces(tag))
                  : failed(Kind::Failed, tag, braces(tag) + ": " + text.error());
}

}  // namespace ingot::expr
