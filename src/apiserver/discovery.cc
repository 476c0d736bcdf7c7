// /api, /apis and /openapi: what this cluster serves. Documents are made at their first use and kept; all tenants
// share theirs, the factory's own control plane has its own.
#include "api/discovery.h"

#include <fmt/format.h>

#include "api/openapi.h"
#include "apiserver/dispatch.h"
#include "apiserver/status.h"

namespace ingot::apiserver {
namespace {
constexpr std::string_view kAggregated =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

// What to make, and under which name it is kept.
struct Document {
  std::string name, content_type = "application/json";
  std::function<std::optional<std::string>()> make;
};

std::optional<std::string> text_of(const std::optional<api::Json>& value) {
  return value ? std::optional(api::to_text(*value)) : std::nullopt;
}

bool wants_aggregated(const Call& call) {
  std::string_view accept = call.in.request.accept;
  while (!accept.empty()) {
    const std::string_view clause = accept.substr(0, accept.find(','));
    accept.remove_prefix(std::min(accept.size(), clause.size() + 1));
    const auto says = [&](std::string_view part) { return clause.find(part) != clause.npos; };
    if (says("as=APIGroupDiscoveryList") && says("g=apidiscovery.k8s.io") &&
        (says("v=v2;") || clause.ends_with("v=v2")))
      return true;
  }
  return false;
}

std::string server_address(const Call& call) {
  const std::string& url = call.services.options.external_url;
  const size_t scheme = url.find("://");
  return scheme == url.npos ? url : url.substr(scheme + 3);
}

Document group_document(const Call& call, const api::Registry& registry, bool root) {
  const std::vector<std::string>& s = call.route().segments;
  if (s[0] == "api" && s.size() == 1 && !wants_aggregated(call))
    return {.name = "api",
            .make = [address = server_address(call)] { return api::to_text(api::api_versions(address)); }};
  if (s.size() == 1 && wants_aggregated(call))
    return {.name = "aggregated/" + s[0],
            .content_type = std::string(kAggregated),
            .make = [&registry, root, core = s[0] == "api"] {
              return api::to_text(api::aggregated_discovery(registry, root, core));
            }};
  if (s.size() == 1)
    return {.name = "apis",
            .make = [&registry, root] { return api::to_text(api::api_group_list(registry, root)); }};
  const std::string group = call.route().group, version = call.route().version;
  if (s[0] == "apis" && s.size() == 2)
    return {.name = "group/" + group,
            .make = [&registry, root, group] { return text_of(api::api_group(registry, root, group)); }};
  return {.name = "resources/" + group + "/" + version, .make = [&registry, root, group, version] {
            return text_of(api::api_resource_list(registry, root, group, version));
          }};
}

std::optional<Document> openapi_document(const Call& call, const api::Registry& registry, bool root) {
  const std::vector<std::string>& s = call.route().segments;
  if (s.size() == 2 && s[1] == "v2") {
    if (call.in.request.accept.find("proto-openapi.spec.v2") == std::string::npos)
      return Document{.name = "openapi/v2",
                      .make = [&registry, root] { return api::to_text(api::openapi_v2(registry, root)); }};
    return Document{
        .name = "openapi/v2/protobuf",
        .content_type = std::string(api::kOpenApiV2ContentType),
        .make = [&registry, root] { return api::openapi_v2_protobuf(api::openapi_v2(registry, root)); }};
  }
  if (s.size() < 2 || s[1] != "v3") return std::nullopt;
  if (s.size() == 2) {
    const std::string prefix = call.route().cluster.empty() ? "" : "/clusters/" + call.route().cluster;
    // Not kept: one per tenant's name. It is small.
    return Document{.make = [&registry, root, prefix] {
      return api::to_text(api::openapi_v3_index(registry, root, prefix));
    }};
  }
  const bool core = s[2] == "api" && s.size() == 4;
  if (!core && (s[2] != "apis" || s.size() != 5)) return std::nullopt;
  const std::string group = core ? "" : s[3], version = s.back();
  return Document{.name = "openapi/v3/" + group + "/" + version, .make = [&registry, root, group, version] {
                    return text_of(api::openapi_v3(registry, root, group, version));
                  }};
}
}  // namespace

Result<Outcome> discover(Call& call) {
  const api::Registry& registry = *call.services.registry;
  const bool root = call.view.is_root();
  const auto missing = [] {
    return fail(Reason::NotFound, "the server could not find the requested resource");
  };
  const std::optional<Document> document = call.route().segments[0] == "openapi"
                                               ? openapi_document(call, registry, root)
                                               : group_document(call, registry, root);
  if (!document) return missing();
  const std::string key = document->name.empty() ? "" : (root ? "root/" : "tenant/") + document->name;
  const auto kept = call.services.documents.find(key);
  Answer answer{.reply = {.content_type = document->content_type}};
  if (kept != call.services.documents.end()) {
    answer.reply.body.push_back(kept->second);
    return answer;
  }
  std::optional<std::string> text = document->make();
  if (!text) return missing();  // and nothing is kept of it: the names that are asked for have no bound
  answer.reply.body.push_back(piece(std::move(*text)));
  if (!key.empty()) call.services.documents.emplace(key, answer.reply.body.front());
  return answer;
}

}  // namespace ingot::apiserver
