// What a client asks first: which groups, versions and resources there are. Documents made from the registry; whoever
// serves them keeps them. `root`: the factory's own control plane, which also shows factory.ingot.dev. Any thread.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "api/registry.h"

namespace ingot::api {

Json api_versions(std::string_view server_address);  // /api: "10.0.0.1:6443"
Json api_group_list(const Registry&, bool root);     // /apis
// nullopt: nothing of that name is served.
std::optional<Json> api_group(const Registry&, bool root, std::string_view group);  // /apis/GROUP
std::optional<Json> api_resource_list(const Registry&, bool root, std::string_view group,
                                      std::string_view version);  // /api/v1, /apis/GROUP/VERSION

// apidiscovery.k8s.io/v2 APIGroupDiscoveryList: of the core group alone (/api) or of all others (/apis).
Json aggregated_discovery(const Registry&, bool root, bool core);

struct GroupVersion {
  std::string_view group, version;
  auto operator<=>(const GroupVersion&) const = default;
};
std::vector<GroupVersion> group_versions(const Registry&, bool root);  // in order, the core group first
bool visible(const Resource&, bool root);

}  // namespace ingot::api
