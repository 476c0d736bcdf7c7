#include "api/names.h"

#include <algorithm>

namespace ingot::api {
namespace {

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower_alnum(char c) { return is_lower(c) || is_digit(c); }
bool is_alnum(char c) { return is_lower_alnum(c) || (c >= 'A' && c <= 'Z'); }

std::string too_long(size_t limit) { return "must be no more than " + std::to_string(limit) + " bytes"; }

bool is_label(std::string_view s) {
  return !s.empty() && is_lower_alnum(s.front()) && is_lower_alnum(s.back()) &&
         std::ranges::all_of(s, [](char c) { return is_lower_alnum(c) || c == '-'; });
}

bool is_subdomain(std::string_view s) {
  for (;;) {
    const size_t dot = s.find('.');
    if (!is_label(s.substr(0, dot))) return false;
    if (dot == s.npos) return true;
    s.remove_prefix(dot + 1);
  }
}

// ([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]
bool is_name_part(std::string_view s) {
  return !s.empty() && is_alnum(s.front()) && is_alnum(s.back()) &&
         std::ranges::all_of(s, [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

constexpr const char* kLabel =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    "and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
constexpr const char* kSubdomain =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr const char* kQualified =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
constexpr const char* kValue =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start "
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
    "validation "
    "is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
constexpr const char* kConfigKey =
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
    "'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

}  // namespace

std::string dns_label_fault(std::string_view s) {
  if (s.size() > 63) return too_long(63);
  if (is_label(s)) return {};
  return is_subdomain(s) ? "must not contain dots" : kLabel;
}

std::string dns_subdomain_fault(std::string_view s) {
  if (s.size() > 253) return too_long(253);
  return is_subdomain(s) ? std::string{} : kSubdomain;
}

std::string path_segment_fault(std::string_view s, bool prefix) {
  if (!prefix && (s == "." || s == "..")) return "may not be '" + std::string(s) + "'";
  for (char c : {'/', '%'})
    if (s.find(c) != s.npos) return std::string("may not contain '") + c + "'";
  // Not upstream's: a name is a key of the store and an URL segment, and control characters help nobody.
  if (std::ranges::any_of(s, [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
    return "may not contain control characters";
  return s.size() > 253 ? too_long(253) : std::string{};
}

std::string qualified_name_fault(std::string_view s) {
  std::string_view name = s;
  if (const size_t slash = s.find('/'); slash != s.npos) {
    const std::string_view prefix = s.substr(0, slash);
    name = s.substr(slash + 1);
    if (name.find('/') != name.npos)
      return std::string("a qualified name ") + kQualified +
             " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
    if (prefix.empty()) return "prefix part must be non-empty";
    if (std::string fault = dns_subdomain_fault(prefix); !fault.empty()) return "prefix part " + fault;
  }
  if (name.empty()) return "name part must be non-empty";
  if (name.size() > 63) return "name part " + too_long(63);
  return is_name_part(name) ? std::string{} : std::string("name part ") + kQualified;
}

std::string label_value_fault(std::string_view s) {
  if (s.size() > 63) return too_long(63);
  return s.empty() || is_name_part(s) ? std::string{} : kValue;
}

std::string config_key_fault(std::string_view s) {
  if (s.size() > 253) return too_long(253);
  if (s.empty() ||
      !std::ranges::all_of(s, [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; }))
    return kConfigKey;
  if (s == ".") return "must not be '.'";
  if (s == "..") return "must not be '..'";
  return s.starts_with("..") ? "must not start with '..'" : std::string{};
}

std::string env_name_fault(std::string_view s) {
  // RelaxedEnvironmentVariableValidation: any printable ASCII but '='.
  if (!s.empty() && std::ranges::all_of(s, [](char c) { return c >= 0x20 && c <= 0x7e && c != '='; }))
    return {};
  return "a valid environment variable name must consist only of printable ASCII characters other than '='";
}

std::string port_name_fault(std::string_view s) {
  if (s.size() > 15) return "must be no more than 15 bytes";
  if (s.empty() || !std::ranges::all_of(s, [](char c) { return is_lower_alnum(c) || c == '-'; }))
    return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
  if (!std::ranges::any_of(s, is_lower)) return "must contain at least one letter (a-z)";
  if (s.find("--") != s.npos) return "must not contain consecutive hyphens";
  if (s.front() == '-' || s.back() == '-') return "must not begin or end with a hyphen";
  return {};
}

std::string resource_name_fault(std::string_view s) {
  if (std::string fault = qualified_name_fault(s); !fault.empty()) return fault;
  if (s.find('/') != s.npos) return {};
  for (std::string_view standard : {"cpu", "memory", "ephemeral-storage", "pods", "storage"})
    if (s == standard) return {};
  if (s.starts_with("hugepages-")) return {};
  return "must be a standard resource type or fully qualified";
}

}  // namespace ingot::api
