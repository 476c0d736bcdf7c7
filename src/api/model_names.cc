#include "api/model_names.h"

#include <algorithm>

#include "api/names.h"
#include "base/encoding.h"

namespace ingot::api {
namespace {

constexpr size_t kLongestModel = 250, kLongestAlias = 255, kLongestSlug = 100;

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
bool is_lower(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lowered(char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; }

std::string slug_of(std::string_view model) {
  std::string slug;
  for (const char raw : model.substr(0, kLongestSlug)) {
    const char c = lowered(raw);
    if (is_lower(c))
      slug += c;
    else if (!slug.empty() && slug.back() != '-')
      slug += '-';
  }
  while (!slug.empty() && slug.back() == '-') slug.pop_back();
  return slug.empty() ? "model" : slug;
}

}  // namespace

std::string model_name_fault(std::string_view name) {
  if (name.empty()) return "a model has a name";
  if (name.size() > kLongestModel) return "must have at most " + std::to_string(kLongestModel) + " bytes";
  if (name.find_first_of("/:") != name.npos) return "must be without \"/\" and \":\"";
  if (std::ranges::any_of(name, is_control)) return "must be without control characters";
  return {};
}

std::string alias_fault(std::string_view alias) {
  const auto word = [](char c) { return is_lower(lowered(c)) || c == '_' || c == '-'; };
  if (alias.empty() || alias.size() > kLongestAlias)
    return "an alias has 1 to " + std::to_string(kLongestAlias) + " bytes";
  if (!std::ranges::all_of(alias, word)) return "must be of letters, digits, \"_\" and \"-\"";
  std::string low(alias);
  std::ranges::transform(low, low.begin(), lowered);
  if (low == "latest") return "\"latest\" always means the newest version";
  if (low.size() > 1 && low[0] == 'v' && std::ranges::all_of(std::string_view(low).substr(1), is_digit))
    return "must not look like a version's number";
  return {};
}

std::string model_object_name(std::string_view model) {
  if (model.size() <= kLongestModelObject && dns_subdomain_fault(model).empty()) return std::string(model);
  return slug_of(model) + "-" + hex(sha256(model)).substr(0, 8);
}

std::string model_object_name(std::string_view model, uint64_t random) {
  return slug_of(model) + "-" + hex(sha256(std::to_string(random))).substr(0, 8);
}

std::string model_naming_key(std::string_view model) { return hex(sha256(model)); }

std::string model_version_name(std::string_view model_object, int64_t version) {
  return std::string(model_object) + "-v" + std::to_string(version);
}

}  // namespace ingot::api
