#include "registry/paths.h"

#include <fmt/format.h>

#include <cstdint>
#include <optional>

#include "registry/wire.h"

namespace ingot::registry {
namespace {

bool good_parts(std::string_view path) {
  while (true) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    for (const char c : part)
      if (uint8_t(c) < 0x20 || c == 0x7f || c == '\\') return false;
    if (slash == path.npos) return true;
    path.remove_prefix(slash + 1);
  }
}

std::optional<uint8_t> digit(char c) {
  if (c >= '0' && c <= '9') return uint8_t(c - '0');
  if (c >= 'a' && c <= 'f') return uint8_t(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return uint8_t(c - 'A' + 10);
  return std::nullopt;
}

// As lenient decoders do: a "%" that begins no escape is one ("100%.txt"), and hides none that follows.
std::string decoded(std::string_view path) {
  std::string out;
  for (size_t i = 0; i < path.size(); ++i) {
    const auto high = path[i] == '%' && i + 2 < path.size() ? digit(path[i + 1]) : std::nullopt;
    const auto low = high ? digit(path[i + 2]) : std::nullopt;
    if (low) i += 2;
    out += low ? char(*high << 4 | *low) : path[i];
  }
  return out;
}

// Not only the path but whatever somebody behind us may decode it to.
bool good_however_decoded(std::string path) {
  constexpr int kTimes = 8;
  for (int i = 0; i < kTimes; ++i) {
    if (!good_parts(path)) return false;
    std::string next = decoded(path);
    if (next == path) return true;
    path = std::move(next);
  }
  return false;
}

}  // namespace

Result<std::string> check_path(std::string_view path, bool empty_too) {
  if (path.empty() && empty_too) return std::string();
  if (path.size() > kMostPath)
    return fail(
        invalid(fmt::format("Invalid path: at most {} bytes, and this has {}", kMostPath, path.size())));
  if (!good_however_decoded(std::string(path)))
    return fail(invalid(fmt::format("Invalid path: '{}' must be relative, without '..', '.', '//' or '\\'",
                                    path.substr(0, 100))));
  return std::string(path);
}

std::string joined(std::string_view root, std::string_view under) {
  return under.empty() ? std::string(root) : fmt::format("{}/{}", root, under);
}

Result<std::string> path_of_uri(std::string_view uri) {
  constexpr std::string_view kScheme = "mlflow-artifacts:";
  if (!uri.starts_with(kScheme)) return fail(invalid("not a place of this server's artifacts"));
  uri.remove_prefix(kScheme.size());
  if (uri.starts_with("//")) {
    const size_t slash = uri.find('/', 2);
    uri = slash == uri.npos ? std::string_view() : uri.substr(slash);
  }
  while (uri.starts_with('/')) uri.remove_prefix(1);
  return check_path(uri);
}

}  // namespace ingot::registry
