#include "metering/exposition.h"

#include <fmt/format.h>

#include <cmath>

#include "base/assert.h"

namespace ingot::metering {
namespace {

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
}

}  // namespace

void Exposition::family(std::string_view name, std::string_view kind, std::string_view help) {
  if (!index_.emplace(std::string(name), families_.size()).second) return;
  families_.push_back({fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, kind), ""});
}

void Exposition::sample(std::string_view family, const Labels& labels, double value,
                        std::string_view suffix) {
  const auto found = index_.find(family);
  ASSERT(found != index_.end());
  std::string& out = families_[found->second].body;
  (out += family) += suffix;
  char separator = '{';
  for (const auto& [name, text] : labels) {
    if (text.empty()) continue;
    out += separator;
    (out += name) += "=\"";
    append_escaped(out, text);
    out += '"';
    separator = ',';
  }
  if (separator == ',') out += '}';
  if (std::isfinite(value))
    fmt::format_to(std::back_inserter(out), " {}\n", value);
  else
    out += std::isnan(value) ? " NaN\n" : value > 0 ? " +Inf\n" : " -Inf\n";
  ++samples_;
}

std::string Exposition::text() const {
  std::string out;
  for (const Family& f : families_)
    if (!f.body.empty()) (out += f.head) += f.body;
  return out;
}

}  // namespace ingot::metering
