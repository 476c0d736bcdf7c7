#include "node/pod.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/time.h"

namespace ingot::node {
namespace {
RestartPolicy parse_restart_policy(std::string_view text) {
  if (text == "Never") return RestartPolicy::Never;
  return text == "OnFailure" ? RestartPolicy::OnFailure : RestartPolicy::Always;
}

void add_containers(Pod& pod, std::string_view field, bool init) {
  for (const api::Json& spec : api::array_at(pod.object, {"spec", field})) {
    ContainerDef& c = pod.containers.emplace_back();
    c.name = api::string_at(spec, {"name"});
    c.image = api::string_at(spec, {"image"});
    c.init = init;
    c.sidecar = init && api::string_at(spec, {"restartPolicy"}) == "Always";
    c.spec = &spec;
  }
}
void read_order(Pod& pod) {
  const std::string_view text = api::string_at(pod.object, {"metadata", "annotations", kOrderAnnotation});
  if (text.empty() || pod.restart_policy != RestartPolicy::Never) return;
  const auto order = api::parse_json(text);
  if (!order || !order->is_object()) return;
  for (ContainerDef& c : pod.containers) {
    if (c.init) continue;
    for (const api::Json& before : api::array_at(*order, {c.name}))
      if (const ContainerDef* other = pod.container(api::string_at(before, {})); other && !other->init)
        c.after.push_back(other->name);
  }
}
void read_retries(Pod& pod) {
  constexpr int64_t kMostRetries = 1'000, kMostPause = 86'400;
  const std::string_view text = api::string_at(pod.object, {"metadata", "annotations", kRetriesAnnotation});
  if (text.empty() || pod.restart_policy != RestartPolicy::Never) return;
  const auto json = api::parse_json(text);
  if (!json) return;
  pod.retries = std::clamp<int64_t>(api::int_at(*json, {"retries"}).value_or(0), 0, kMostRetries);
  pod.retry_pause = std::chrono::seconds(
      std::clamp<int64_t>(api::int_at(*json, {"pauseSeconds"}).value_or(0), 0, kMostPause));
}
}  // namespace

const ContainerDef* Pod::container(std::string_view wanted) const {
  for (const ContainerDef& c : containers)
    if (c.name == wanted) return &c;
  return nullptr;
}

Result<PodPtr> parse_pod(api::Json object) {
  auto made = std::make_shared<Pod>(Pod{.object = std::move(object)});  // assigned, it would be copied
  Pod& pod = *made;
  const api::Json& o = pod.object;
  pod.uid = api::string_at(o, {"metadata", "uid"});
  pod.name = api::string_at(o, {"metadata", "name"});
  pod.ns = api::string_at(o, {"metadata", "namespace"});
  pod.cluster = api::string_at(o, {"metadata", "annotations", kClusterAnnotation});
  if (pod.uid.empty() || pod.name.empty() || pod.ns.empty())
    return fail(Reason::Invalid, "a pod without metadata.uid, name or namespace");
  pod.service_account = api::string_at(o, {"spec", "serviceAccountName"});
  if (pod.service_account.empty()) pod.service_account = "default";
  pod.restart_policy = parse_restart_policy(api::string_at(o, {"spec", "restartPolicy"}));
  pod.grace_s = std::max<int64_t>(0, api::int_at(o, {"spec", "terminationGracePeriodSeconds"}).value_or(30));
  pod.deleted_at = parse_rfc3339(api::string_at(o, {"metadata", "deletionTimestamp"}));
  pod.deletion_grace_s = api::int_at(o, {"metadata", "deletionGracePeriodSeconds"});
  pod.active_deadline_s = api::int_at(o, {"spec", "activeDeadlineSeconds"});
  add_containers(pod, "initContainers", true);
  add_containers(pod, "containers", false);
  read_order(pod);
  read_retries(pod);
  if (pod.containers.empty() || pod.containers.back().init)
    return fail(Reason::Invalid, fmt::format("pod {}/{}: spec.containers is empty", pod.ns, pod.name));
  if (pod.containers.size() > kMaxContainersPerPod)
    return fail(Reason::Invalid, fmt::format("pod {}/{} has {} containers; a node runs at most {} in one pod",
                                             pod.ns, pod.name, pod.containers.size(), kMaxContainersPerPod));
  return made;
}

Result<Allocation> parse_allocation(const api::Json& object) {
  Allocation a;
  a.uid = api::string_at(object, {"metadata", "name"});
  a.tenant = api::string_at(object, {"spec", "tenant"});
  a.from = parse_rfc3339(api::string_at(object, {"spec", "from"})).value_or(WallTime{});
  a.cluster = api::string_at(object, {"spec", "cluster"});
  a.ns = api::string_at(object, {"spec", "namespace"});
  a.pod = api::string_at(object, {"spec", "pod"});
  for (const api::Json& device : api::array_at(object, {"spec", "devices"})) {
    HeldDevice& held = a.devices.emplace_back();
    a.claims.push_back(
        {std::string(api::string_at(device, {"claim"})), std::string(api::string_at(device, {"request"}))});
    held.uuid = api::string_at(device, {"uuid"});
    held.model = api::string_at(device, {"model"});
    held.milli = int32_t(std::clamp<int64_t>(api::int_at(device, {"milli"}).value_or(1000), 1, 1000));
    held.memory_mib = api::int_at(device, {"memoryMiB"}).value_or(0);
    held.profile = api::string_at(device, {"profile"});
    held.claim = api::string_at(device, {"claimUID"});
    held.start = int(std::clamp<int64_t>(api::int_at(device, {"start"}).value_or(-1), -1, 7));
  }
  a.open = api::string_at(object, {"status", "phase"}) != "Released";
  if (a.uid.empty() || a.ns.empty() || a.pod.empty())
    return fail(Reason::Invalid, "an Allocation without metadata.name, spec.namespace or spec.pod");
  return a;
}

}  // namespace ingot::node
