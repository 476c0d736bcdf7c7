#include "ingot/tenant_objects.h"

#include <fmt/format.h>

#include <chrono>

#include "ingot/output.h"

namespace ingot {

Result<std::string> tenant_of(Client& client, const std::string& named, std::string_view what) {
  if (!named.empty()) return named;
  auto tenants = client.list(fmt::format("{}/tenants", kFactoryApi));
  if (!tenants) return fail(tenants.error());
  if (tenants->empty())
    return fail(Reason::NotFound, "there is no tenant yet\n  make one with `ingot tenant create NAME`");
  std::string tenant, names;
  for (const api::Json& one : *tenants) {
    tenant = api::string_at(one, {"metadata", "name"});
    names += (names.empty() ? "" : ", ") + tenant;
  }
  if (tenants->size() == 1) return tenant;
  return fail(Reason::Invalid, fmt::format("whose {}? name the tenant with --tenant: {}", what,
                                           names.size() > 200 ? names.substr(0, 200) + "…" : names));
}

std::string factory_objects(const std::string& tenant, const std::string& ns) {
  return fmt::format("/clusters/{}/apis/factory.ingot.dev/v1alpha1/namespaces/{}", query_value(tenant),
                     query_value(ns));
}

std::string age_of(const api::Json& object) {
  const auto made = parse_rfc3339(api::string_at(object, {"metadata", "creationTimestamp"}));
  if (!made) return "";
  return human_duration(
      std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now()) - *made);
}

}  // namespace ingot
