#include "apiserver/quotas.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "apiserver/status.h"
#include "policy/quota.h"

namespace ingot::apiserver {
namespace {
using api::Json;
using policy::QuotaAmounts;
using policy::QuotaNode;

constexpr std::string_view kSlices = "resourceslices.resource.k8s.io";

QuotaNode node_of(std::string_view resource, const Json& object) {
  return resource == kQueues ? policy::quota_of_queue(object) : policy::quota_of_tenant(object);
}

// All queues and leaves but the one that is being written.
std::vector<QuotaNode> others(Call& call, std::string_view resource, std::string_view name) {
  std::vector<QuotaNode> out;
  for (const std::string_view type : {kQueues, Factory::kTenants})
    call.factory.nodes().range(type, "", "", [&](const api::ObjectPtr& object) {
      if (type == resource && object->key.name() == name) return true;
      out.push_back(call.services.quotas.of(object, [&](const Json& value) { return node_of(type, value); }));
      return true;
    });
  return out;
}

QuotaAmounts gpus_of(const Json& slice) {
  QuotaAmounts out;
  std::set<std::string_view> boards;  // a board may be told of as a whole and in parts
  for (const Json& device : api::array_at(slice, {"spec", "devices"})) {
    const std::string_view uuid = api::string_at(device, {"attributes", "uuid", "string"});
    if (uuid.empty() || !boards.insert(uuid).second) continue;
    ++out["gpus"];
    ++out[api::entry("gpuModels", api::string_at(device, {"attributes", "model", "string"}))];
  }
  return out;
}

QuotaAmounts capacity(Call& call) {
  QuotaAmounts sum;
  call.factory.nodes().range(kSlices, "", "", [&](const api::ObjectPtr& slice) {
    for (const auto& [key, n] : call.services.slice_gpus.of(slice, gpus_of)) sum[key] += n;
    return true;
  });
  return sum;
}

bool same_spec(const Json* before, const Json& after) {
  if (!before) return false;
  const Json *was = api::find(*before, {"spec"}), *is = api::find(after, {"spec"});
  return !was == !is && (!was || *was == *is);
}
}  // namespace

Result<void> admit_quota(Call& call, const Json* before, const Json& after) {
  if (same_spec(before, after)) return {};
  const QuotaNode changed = node_of(call.type().resource(), after);
  if (changed.tenant && changed.parent.empty() && changed.guarantee.empty()) return {};
  const std::vector<QuotaNode> all = others(call, call.type().resource(), changed.name);
  api::FieldErrors errors;
  policy::check_quota(changed, all, errors);
  if (!errors.empty()) return errors.finish(call.type().group, call.type().kind, changed.name);
  if (!changed.guarantee.empty() || !changed.limit.empty())
    std::ranges::move(policy::quota_warnings(changed, all, capacity(call)),
                      std::back_inserter(call.warnings));
  return {};
}

Result<void> admit_pool(Call& call, const Json* before, const Json& after) {
  const auto tenants = [](const Json& pool) { return api::array_at(pool, {"spec", "tenants"}); };
  const api::JsonArray known = before ? tenants(*before) : api::JsonArray(), now = tenants(after);
  api::FieldErrors errors;
  for (size_t i = 0; i < now.size(); ++i) {
    const std::string_view name = now[i].is_string() ? std::string_view(now[i].get_string()) : "";
    if (name == kRootCluster.value || call.factory.tenant(name) ||
        std::ranges::find(known, now[i]) != known.end())
      continue;
    errors.invalid(api::item("spec.tenants", i), now[i],
                   "there is no tenant of that name: create it first, or take it from the list");
  }
  return errors.finish(call.type().group, call.type().kind, api::string_at(after, {"metadata", "name"}));
}

Result<void> admit_queue_delete(Call& call, std::string_view name) {
  const std::string below = policy::dependents(name, others(call, kQueues, name));
  if (below.empty()) return {};
  return fail(forbidden(call.type(), name,
                        fmt::format("{} below it would lose their place: give them another parent "
                                    "(spec.parent of a Queue, spec.queue of a Tenant) or delete them first",
                                    below)));
}

}  // namespace ingot::apiserver
