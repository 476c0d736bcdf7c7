#include "registry/paths.h"

#include <fmt/format.h>

#include "base/encoding.h"
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

// Not only the path but whatever somebody behind us may decode it to.
bool good_however_decoded(std::string path) {
  constexpr int kTimes = 8;
  for (int i = 0; i < kTimes; ++i) {
    if (!good_parts(path)) return false;
    const auto decoded = percent_decode(path, false);
    if (!decoded || *decoded == path) return true;
    path = *decoded;
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
