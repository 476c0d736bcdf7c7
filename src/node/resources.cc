#include "node/resources.h"

#include <algorithm>

#include "base/quantity.h"

namespace ingot::node {
namespace {
int64_t quantity_milli(const ContainerDef& c, std::string_view list, std::string_view resource) {
  const api::Json* value = api::find(*c.spec, {"resources", list, resource});
  if (!value) return 0;
  if (const auto whole = api::int_at(*value, {})) return std::min<int64_t>(*whole, INT64_MAX / 1000) * 1000;
  const auto parsed = Quantity::parse(api::string_at(*value, {}));
  return parsed ? std::max<int64_t>(0, parsed->milli) : 0;
}
int64_t whole(int64_t milli) { return Quantity{milli}.units(); }

std::vector<std::string> strings(const api::JsonArray& list) {
  std::vector<std::string> out;
  for (const api::Json& item : list) out.emplace_back(api::string_at(item, {}));
  return out;
}
}  // namespace

int64_t limit_milli(const ContainerDef& c, std::string_view resource) {
  return quantity_milli(c, "limits", resource);
}
int64_t request_milli(const ContainerDef& c, std::string_view resource) {
  const int64_t request = quantity_milli(c, "requests", resource);
  return request ? request : limit_milli(c, resource);
}

Qos qos_of(const Pod& pod) {
  bool any = false, all_guaranteed = true;
  for (const ContainerDef& c : pod.containers) {
    for (const std::string_view r : {"cpu", "memory"}) {
      const int64_t limit = limit_milli(c, r), request = request_milli(c, r);
      any |= limit || request;
      all_guaranteed &= limit && limit == request;
    }
  }
  if (!any) return Qos::BestEffort;
  return all_guaranteed ? Qos::Guaranteed : Qos::Burstable;
}

Limits limits_of(const Pod& pod, const ContainerDef& c, int64_t node_memory_bytes) {
  Limits out;
  const int64_t cpu_request = request_milli(c, "cpu"), cpu_limit = limit_milli(c, "cpu");
  out.cpu_shares = std::clamp<int64_t>(cpu_request * 1024 / 1000, 2, 262'144);
  if (cpu_limit) out.cpu_quota_us = std::max<int64_t>(1000, cpu_limit * out.cpu_period_us / 1000);
  out.memory_bytes = whole(limit_milli(c, "memory"));
  switch (qos_of(pod)) {
    case Qos::Guaranteed:
      out.oom_score_adj = -997;
      break;
    case Qos::BestEffort:
      out.oom_score_adj = 1000;
      break;
    case Qos::Burstable: {
      const double share =
          node_memory_bytes ? double(whole(request_milli(c, "memory"))) / double(node_memory_bytes) : 0;
      out.oom_score_adj = std::clamp<int64_t>(1000 - int64_t(1000 * share), 3, 999);
    }
  }
  return out;
}

int64_t gpus_of(const ContainerDef& c) {
  int64_t count = whole(limit_milli(c, "nvidia.com/gpu"));
  if (count == 0 && whole(limit_milli(c, "nvidia.com/gpu.shared")) > 0) return 1;
  for (const auto& member : api::object_at(*c.spec, {"resources", "limits"}))
    if (const std::string_view name = member.key(); name.starts_with("nvidia.com/mig-"))
      count += whole(limit_milli(c, name));
  return count;
}

Security security_of(const Pod& pod, const ContainerDef& c) {
  const api::JsonObject& outer = api::object_at(pod.object, {"spec", "securityContext"});
  const api::JsonObject& inner = api::object_at(*c.spec, {"securityContext"});
  const auto setting = [&](std::string_view name) -> const api::Json* {
    const api::Json* own = api::find(inner, {name});
    return own && !own->is_null() ? own : api::find(outer, {name});
  };
  const auto number = [&](std::string_view name) {
    const api::Json* v = setting(name);
    return v ? api::int_at(*v, {}) : std::nullopt;
  };
  Security s;
  s.run_as_user = number("runAsUser");
  s.run_as_group = number("runAsGroup");
  const api::Json* non_root = setting("runAsNonRoot");
  s.run_as_non_root = non_root && api::bool_at(*non_root, {});
  s.read_only_root = api::bool_at(*c.spec, {"securityContext", "readOnlyRootFilesystem"});
  for (const api::Json& group : api::array_at(pod.object, {"spec", "securityContext", "supplementalGroups"}))
    if (const auto id = api::int_at(group, {})) s.supplemental_groups.push_back(*id);
  if (const auto fs = api::int_at(pod.object, {"spec", "securityContext", "fsGroup"}))
    s.supplemental_groups.push_back(*fs);
  s.add_capabilities = strings(api::array_at(*c.spec, {"securityContext", "capabilities", "add"}));
  s.drop_capabilities = strings(api::array_at(*c.spec, {"securityContext", "capabilities", "drop"}));
  return s;
}

}  // namespace ingot::node
