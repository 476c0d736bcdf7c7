#include "registry/limits.h"

#include <fmt/format.h>

#include <algorithm>

#include "registry/wire.h"

namespace ingot::registry {
namespace {

bool fine(char c) {
  const uint8_t u = uint8_t(c);
  return u >= 0x80 || (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9') ||
         std::string_view("_-. :/").find(c) != std::string_view::npos;
}

// A path that is not the shortest for what it names could leave the place it is written to.
bool roundabout(std::string_view key) {
  if (key.starts_with('/')) return true;
  while (true) {
    const size_t slash = key.find('/');
    const std::string_view part = key.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return true;
    if (slash == key.npos) return false;
    key.remove_prefix(slash + 1);
  }
}

std::string shown(std::string_view text) { return std::string(text.substr(0, 100)); }

// Of UTF-8.
bool begins(char c) { return (uint8_t(c) & 0xc0) != 0x80; }
size_t characters(std::string_view text) { return size_t(std::ranges::count_if(text, begins)); }

}  // namespace

Result<void> check_key(std::string_view what, std::string_view key) {
  if (key.empty()) return fail(invalid(fmt::format("Missing value for required parameter '{}.key'", what)));
  if (key.size() > kMostKey)
    return fail(invalid(fmt::format("{} name '{}…' exceeds the maximum length of {} characters", what,
                                    shown(key), kMostKey)));
  for (const char c : key)
    if (!fine(c))
      return fail(invalid(fmt::format(
          "Invalid {} name: '{}'. Names may only contain alphanumerics, underscores (_), dashes (-), "
          "periods (.), spaces ( ), colons (:) and slashes (/).",
          what, shown(key))));
  if (roundabout(key))
    return fail(invalid(fmt::format(
        "Invalid {} name: '{}'. Names must be the shortest path to what they name: no '..', '.' or '//'.",
        what, shown(key))));
  return {};
}

std::string_view cut(std::string_view value, size_t most) {
  if (value.size() <= most) return value;
  for (size_t i = 0, n = 0; i < value.size(); ++i)
    if (begins(value[i]) && n++ == most) return value.substr(0, i);
  return value;
}

Result<void> check_value(std::string_view what, std::string_view key, std::string_view value, size_t most) {
  if (cut(value, most).size() == value.size()) return {};
  return fail(invalid(fmt::format("{} '{}' has a value of {} characters, and at most {} are allowed", what,
                                  shown(key), characters(value), most)));
}

Result<void> check_tag(std::string_view key, std::string_view value, size_t most) {
  if (auto good = check_key("tag", key); !good) return good;
  if (key.starts_with(kReserved))
    return fail(invalid(
        fmt::format("tag '{}': the factory alone writes tags that begin with {}", shown(key), kReserved)));
  return check_value("tag", key, value, most);
}

Result<void> check_experiment_name(std::string_view name) {
  if (name.empty()) return fail(missing("name"));
  if (name.size() <= kMostExperimentName) return {};
  return fail(invalid(fmt::format("the experiment's name has {} characters, and at most {} are allowed",
                                  name.size(), kMostExperimentName)));
}

}  // namespace ingot::registry
