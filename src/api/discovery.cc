#include "api/discovery.h"

#include <algorithm>

namespace ingot::api {
namespace {

struct Subresource {
  std::string_view name;
  std::vector<std::string> verbs;
  std::string_view group, version, kind;  // "" = the resource's own
};

// `status` and the like are of the resource's own kind; these have their own.
Subresource subresource(const Resource& resource, std::string_view name) {
  if (name == "status") return {name, {"get", "patch", "update"}, {}, {}, {}};
  if (name == "finalize") return {name, {"update"}, {}, {}, {}};
  if (name == "log") return {name, {"get"}, {}, {}, {}};
  if (name == "binding") return {name, {"create"}, "", "v1", "Binding"};
  if (name == "eviction") return {name, {"create"}, "policy", "v1", "Eviction"};
  if (name == "token") return {name, {"create"}, "authentication.k8s.io", "v1", "TokenRequest"};
  return {name, {"get"}, {}, {}, {}};
}

JsonArray strings(const std::vector<std::string>& list) {
  JsonArray out;
  for (const std::string& one : list) out.emplace_back(one);
  return out;
}

JsonObject for_discovery(std::string_view group, std::string_view version) {
  const std::string both =
      group.empty() ? std::string(version) : std::string(group) + "/" + std::string(version);
  return {{"groupVersion", both}, {"version", version}};
}

std::vector<GroupVersion> versions_of(const Registry& registry, bool root, std::string_view group) {
  std::vector<GroupVersion> out = group_versions(registry, root);
  std::erase_if(out, [&](const GroupVersion& gv) { return gv.group != group; });
  return out;
}

JsonObject group_object(const std::vector<GroupVersion>& versions) {
  JsonArray list;
  for (const GroupVersion& gv : versions) list.push_back(for_discovery(gv.group, gv.version));
  return {{"name", versions[0].group}, {"versions", list}, {"preferredVersion", list[0]}};
}

JsonObject kind_of(const Resource& resource, const Subresource* sub = nullptr) {
  if (sub && !sub->kind.empty())
    return {{"group", sub->group}, {"version", sub->version}, {"kind", sub->kind}};
  return {{"group", resource.group}, {"version", resource.version}, {"kind", resource.kind}};
}

JsonObject aggregated(const Resource& resource) {
  JsonObject out{{"resource", resource.plural},
                 {"responseKind", kind_of(resource)},
                 {"scope", resource.namespaced ? "Namespaced" : "Cluster"},
                 {"singularResource", resource.singular},
                 {"verbs", strings(resource.verbs)}};
  if (!resource.short_names.empty()) out["shortNames"] = strings(resource.short_names);
  if (!resource.categories.empty()) out["categories"] = strings(resource.categories);
  JsonArray subs;
  for (const std::string& name : resource.subresources) {
    const Subresource sub = subresource(resource, name);
    subs.push_back(
        {{"subresource", name}, {"responseKind", kind_of(resource, &sub)}, {"verbs", strings(sub.verbs)}});
  }
  if (!subs.empty()) out["subresources"] = std::move(subs);
  return out;
}

}  // namespace

bool visible(const Resource& resource, bool root) { return root || !resource.root_only; }

std::vector<GroupVersion> group_versions(const Registry& registry, bool root) {
  std::vector<GroupVersion> out;
  for (const Resource& r : registry.resources())
    if (visible(r, root) && (out.empty() || out.back() != GroupVersion{r.group, r.version}))
      out.push_back({r.group, r.version});
  return out;
}

Json api_versions(std::string_view server_address) {
  return JsonObject{{"kind", "APIVersions"},
                    {"versions", JsonArray{"v1"}},
                    {"serverAddressByClientCIDRs",
                     JsonArray{JsonObject{{"clientCIDR", "0.0.0.0/0"}, {"serverAddress", server_address}}}}};
}

Json api_group_list(const Registry& registry, bool root) {
  JsonArray groups;
  std::string_view last;
  for (const GroupVersion& gv : group_versions(registry, root)) {
    if (gv.group != last) groups.push_back(group_object(versions_of(registry, root, gv.group)));
    last = gv.group;
  }
  return JsonObject{{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}};
}

std::optional<Json> api_group(const Registry& registry, bool root, std::string_view group) {
  const std::vector<GroupVersion> versions = versions_of(registry, root, group);
  if (group.empty() || versions.empty()) return std::nullopt;
  JsonObject out{{"kind", "APIGroup"}, {"apiVersion", "v1"}};
  for (auto& member : group_object(versions)) out[member.key()] = member.value();
  return out;
}

std::optional<Json> api_resource_list(const Registry& registry, bool root, std::string_view group,
                                      std::string_view version) {
  JsonArray resources;
  for (const Resource& r : registry.resources()) {
    if (r.group != group || r.version != version || !visible(r, root)) continue;
    JsonObject one{{"name", r.plural},
                   {"singularName", r.singular},
                   {"namespaced", r.namespaced},
                   {"kind", r.kind},
                   {"verbs", strings(r.verbs)}};
    if (!r.short_names.empty()) one["shortNames"] = strings(r.short_names);
    if (!r.categories.empty()) one["categories"] = strings(r.categories);
    resources.push_back(std::move(one));
    for (const std::string& name : r.subresources) {
      const Subresource sub = subresource(r, name);
      JsonObject below{{"name", r.plural + "/" + name}, {"singularName", ""}, {"namespaced", r.namespaced}};
      if (!sub.kind.empty()) {
        if (!sub.group.empty()) below["group"] = sub.group;
        below["version"] = sub.version;
      }
      below["kind"] = sub.kind.empty() ? std::string_view(r.kind) : sub.kind;
      below["verbs"] = strings(sub.verbs);
      resources.push_back(std::move(below));
    }
  }
  if (resources.empty()) return std::nullopt;
  return JsonObject{{"kind", "APIResourceList"},
                    {"apiVersion", "v1"},
                    {"groupVersion", for_discovery(group, version)["groupVersion"]},
                    {"resources", std::move(resources)}};
}

Json aggregated_discovery(const Registry& registry, bool root, bool core) {
  JsonArray groups;
  for (const GroupVersion& gv : group_versions(registry, root)) {
    if (gv.group.empty() != core) continue;
    JsonArray resources;
    for (const Resource& r : registry.resources())
      if (r.group == gv.group && r.version == gv.version && visible(r, root))
        resources.push_back(aggregated(r));
    JsonObject version{
        {"version", gv.version}, {"resources", std::move(resources)}, {"freshness", "Current"}};
    const bool same = !groups.empty() && string_at(groups.back(), {"metadata", "name"}) == gv.group;
    if (same && !gv.group.empty())
      groups.back().get_object()["versions"].get_array().push_back(std::move(version));
    else
      groups.push_back(JsonObject{{"metadata", JsonObject{{"name", gv.group}}},
                                  {"versions", JsonArray{std::move(version)}}});
  }
  return JsonObject{{"kind", "APIGroupDiscoveryList"},
                    {"apiVersion", "apidiscovery.k8s.io/v2"},
                    {"metadata", JsonObject()},
                    {"items", std::move(groups)}};
}

}  // namespace ingot::api
