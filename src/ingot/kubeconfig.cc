#include "ingot/kubeconfig.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "host/disk_file.h"

namespace ingot {
namespace {

constexpr std::string_view kClusters = "/clusters/";

std::string config_path() {
  const char* listed = std::getenv("KUBECONFIG");
  if (!listed || !*listed) {
    const char* home = std::getenv("HOME");
    const std::string path = home ? std::string(home) + "/.kube/config" : "";
    return std::filesystem::exists(path) ? path : "";
  }
  std::string_view rest = listed, first;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(':'), rest.size());
    const std::string_view one = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (first.empty()) first = one;
    if (std::filesystem::exists(one)) return std::string(one);
  }
  return std::string(first);
}

}  // namespace

Result<OwnConfig> own_config() {
  const std::string path = config_path();
  if (path.empty()) return fail(Reason::NotFound, "");
  const auto text = host::read_file(path);
  if (!text) return fail(Reason::Invalid, text.error().message);
  auto endpoint = host::parse_kubeconfig(*text);
  if (!endpoint)
    return fail(Reason::Invalid, fmt::format("{} is of no use: {}", path, endpoint.error().message));
  const std::string_view base = endpoint->base_path;
  if (!base.starts_with(kClusters) || base.find('/', kClusters.size()) != base.npos ||
      base.size() == kClusters.size())
    return fail(
        Reason::Invalid,
        fmt::format("{} leads to {}:{}{}, which is no tenant of a factory: that ends in /clusters/NAME", path,
                    endpoint->address, endpoint->port, base));
  const std::string cluster(base.substr(kClusters.size()));
  return OwnConfig{.endpoint = *std::move(endpoint), .cluster = cluster};
}

}  // namespace ingot
