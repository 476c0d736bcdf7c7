#include "ingot/place.h"

#include <fmt/format.h>

#include <chrono>

#include "base/time.h"
#include "ingot/kubeconfig.h"
#include "ingot/output.h"

namespace ingot {

std::string Place::path(std::string_view api_version, std::string_view resource) const {
  return fmt::format("/clusters/{}/{}/{}/namespaces/{}/{}", query_value(tenant),
                     api_version.contains('/') ? "apis" : "api", api_version, query_value(ns), resource);
}

Result<Place> place_of(Client& client, const std::string& tenant, const std::string& ns,
                       std::string_view what) {
  if (!client.is_operator()) {
    if (tenant.empty() || tenant == client.home()) return Place{client.home(), ns};
    return fail(
        Reason::Forbidden,
        fmt::format("KUBECONFIG is of tenant {}: leave --tenant {} out, or point KUBECONFIG elsewhere",
                    client.home(), tenant));
  }
  if (!tenant.empty()) return Place{tenant, ns};
  auto tenants = client.list(fmt::format("{}/tenants", kFactoryApi));
  if (!tenants) return fail(tenants.error());
  if (tenants->empty())
    return fail(Reason::NotFound, "there is no tenant yet\n  make one with `ingot tenant create NAME`");
  std::string names, last;
  for (const api::Json& one : *tenants) {
    last = api::string_at(one, {"metadata", "name"});
    names += (names.empty() ? "" : ", ") + last;
  }
  // Who has a tenant's kubeconfig at hand means that tenant.
  if (const auto own = own_config(); own && tenants->size() > 1)
    for (const api::Json& one : *tenants)
      if (api::string_at(one, {"metadata", "name"}) == own->cluster &&
          client.record().address == fmt::format("{}:{}", own->endpoint.address, own->endpoint.port))
        return Place{own->cluster, ns};
  if (tenants->size() > 1)
    return fail(
        Reason::Invalid,
        fmt::format("whose {}? name the tenant with --tenant: {}\n  or its kubeconfig with KUBECONFIG", what,
                    names.size() > 200 ? names.substr(0, 200) + "…" : names));
  return Place{last, ns};
}

std::string age_of(const api::Json& object) {
  const auto made = parse_rfc3339(api::string_at(object, {"metadata", "creationTimestamp"}));
  if (!made) return "";
  return human_duration(
      std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now()) - *made);
}

}  // namespace ingot
