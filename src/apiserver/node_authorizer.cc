#include "apiserver/node_authorizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/selector.h"
#include "apiserver/status.h"
#include "policy/pod_admission.h"

namespace ingot::apiserver {
namespace {
using api::Json;

constexpr std::string_view kLeases = "leases.coordination.k8s.io";
constexpr std::string_view kSlices = "resourceslices.resource.k8s.io";

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> list) {
  return std::ranges::find(list, text) != list.end();
}

// Whether a collection request pins `field` to this node.
bool pinned_to(const Route& route, std::string_view field, std::string_view node) {
  const Result<api::FieldSelector> selector = api::FieldSelector::parse(route.query.get("fieldSelector"));
  return selector && selector->pinned(field) == node;
}

bool names_source(const Json& container, std::string_view kind_ref, std::string_view kind_key,
                  std::string_view name) {
  for (const Json& source : api::array_at(container, {"envFrom"}))
    if (api::string_at(source, {kind_ref, "name"}) == name) return true;
  for (const Json& variable : api::array_at(container, {"env"}))
    if (api::string_at(variable, {"valueFrom", kind_key, "name"}) == name) return true;
  return false;
}

// Whether the pod's spec names this ConfigMap or Secret.
bool pod_names(const Json& pod, std::string_view resource, std::string_view name) {
  const bool secret = resource == "secrets";
  for (std::string_view list : {"containers", "initContainers", "ephemeralContainers"})
    for (const Json& container : api::array_at(pod, {"spec", list}))
      if (names_source(container, secret ? "secretRef" : "configMapRef",
                       secret ? "secretKeyRef" : "configMapKeyRef", name))
        return true;
  for (const Json& volume : api::array_at(pod, {"spec", "volumes"})) {
    if (secret ? api::string_at(volume, {"secret", "secretName"}) == name
               : api::string_at(volume, {"configMap", "name"}) == name)
      return true;
    for (const Json& source : api::array_at(volume, {"projected", "sources"}))
      if (api::string_at(source, {secret ? "secret" : "configMap", "name"}) == name) return true;
  }
  return false;
}

// Whether a volume of the pod is this version of a data set.
bool pod_mounts(const Json& pod, std::string_view version) {
  for (const Json& volume : api::array_at(pod, {"spec", "volumes"}))
    if (api::string_at(volume, {"csi", "driver"}) == policy::kDatasetDriver &&
        version == fmt::format("{}-v{}", api::string_at(volume, {"csi", "volumeAttributes", "dataset"}),
                               api::string_at(volume, {"csi", "volumeAttributes", "version"})))
      return true;
  return false;
}

// Visits the pods of this cluster and namespace that the node holds; true as soon as `wanted` is.
template <class Wanted>
bool any_held(Call& call, std::string_view node, Wanted&& wanted) {
  for (const auto& [uid, pod] : call.services.holdings->of(node)) {
    if (pod.cluster != call.view.cluster().value || pod.ns != call.route().ns) continue;
    const api::ObjectPtr object = call.view.get("pods", pod.ns, pod.name);
    if (!object) continue;
    const Json value = object->parse();
    if (uid_of(value) == uid && wanted(value)) return true;
  }
  return false;
}

// Whether an Allocation of this node names such a pod, whatever became of the object.
bool names_held(Call& call, std::string_view node, const Route& route) {
  const auto& held = call.services.holdings->of(node);
  return std::ranges::any_of(held, [&](const auto& entry) {
    const auto& pod = entry.second;
    return pod.cluster == call.view.cluster().value && pod.ns == route.ns && pod.name == route.name;
  });
}

bool may_in_root(Call& call, std::string_view node) {
  const Route& route = call.route();
  const std::string resource = call.type().resource();
  const std::string_view verb = call.in.verb;
  const bool reads = is_one_of(verb, {"get", "list", "watch"});
  const bool writes = is_one_of(verb, {"create", "update", "patch"});
  if (resource == "nodes")
    return verb == "create" || (route.name == node && (writes || reads)) ||
           (reads && pinned_to(route, "metadata.name", node));
  if (resource == kLeases)
    return route.ns == "kube-node-lease" &&
           (verb == "create" || (route.name == node && (writes || verb == "get")));
  if (resource == kSlices) {
    if (verb == "create") return true;
    if (route.name.empty()) return verb != "deletecollection" && pinned_to(route, "spec.nodeName", node);
    return route.name.starts_with(fmt::format("{}-", node));
  }
  if (resource == Factory::kAllocations) {
    if (route.name.empty()) return reads && pinned_to(route, "spec.node", node);
    const api::ObjectPtr allocation = call.factory.allocation(route.name);
    const bool own = allocation && api::string_at(allocation->parse(), {"spec", "node"}) == node;
    return own && (reads || (route.subresource == "status" && writes));
  }
  if (resource == "images.factory.ingot.dev") return reads;
  return false;
}

bool may_in_any(Call& call, std::string_view node) {
  const Route& route = call.route();
  const std::string resource = call.type().resource();
  const std::string_view verb = call.in.verb;
  if (resource == "pods") {
    if (route.name.empty())
      return (verb == "list" || verb == "watch") && pinned_to(route, "spec.nodeName", node);
    const bool usable = (verb == "get" && route.subresource.empty()) ||
                        (verb == "delete" && route.subresource.empty()) ||
                        (is_one_of(verb, {"update", "patch"}) && route.subresource == "status");
    if (!usable) return false;
    const api::ObjectPtr pod = call.view.get("pods", route.ns, route.name);
    if (pod && holds_pod(call, pod->parse())) return true;
    // The pod its Allocation names may be gone, or another of that name be there: it must be able to learn so, for it
    // releases what it holds on that knowledge.
    return verb == "get" && names_held(call, node, route);
  }
  if ((resource == "configmaps" || resource == "secrets") && verb == "get")
    return any_held(call, node, [&](const Json& pod) { return pod_names(pod, resource, route.name); });
  if (resource == "datasetversions.factory.ingot.dev" && verb == "get" && route.subresource.empty())
    return any_held(call, node, [&](const Json& pod) { return pod_mounts(pod, route.name); });
  if (resource == "serviceaccounts" && (verb == "get" || (verb == "create" && route.subresource == "token")))
    return any_held(call, node, [&](const Json& pod) {
      return api::string_at(pod, {"spec", "serviceAccountName"}) == route.name;
    });
  if (resource == "events" || resource == "events.events.k8s.io")
    return is_one_of(verb, {"create", "update", "patch", "get"}) &&
           (call.view.is_root() || any_held(call, node, [](const Json&) { return true; }));
  return false;
}

Error not_its_own(Call& call, std::string_view name) {
  return forbidden(call.type(), name,
                   fmt::format("node \"{}\" may write only what is its own", node_of(call.who)));
}
}  // namespace

bool node_may(Call& call, std::string_view node) {
  if (!call.in.type) return false;
  if (call.route().every_cluster)
    return call.type().resource() == "pods" && call.route().name.empty() && may_in_any(call, node);
  return (call.view.is_root() && may_in_root(call, node)) || may_in_any(call, node);
}

bool holds_pod(Call& call, const Json& pod) {
  const std::string_view node = node_of(call.who);
  if (node.empty() || api::string_at(pod, {"spec", "nodeName"}) != node) return false;
  // Bound here and not held elsewhere: a pod whose Allocation is closed already may still get its last status.
  const api::ObjectPtr allocation = call.factory.allocation(uid_of(pod));
  if (!allocation) return true;
  return call.services.allocation_nodes.of(allocation, [](const Json& v) {
    return std::string(api::string_at(v, {"spec", "node"}));
  }) == node;
}

Result<void> admit_node_write(Call& call, const Json* before, const Json& after) {
  const std::string_view node = node_of(call.who);
  if (node.empty() || !call.in.type) return {};
  const std::string resource = call.type().resource();
  const std::string_view name = api::string_at(after, {"metadata", "name"});
  if ((resource == "nodes" || resource == kLeases) && name != node) return fail(not_its_own(call, name));
  if (resource == kSlices &&
      (api::string_at(after, {"spec", "nodeName"}) != node || !name.starts_with(fmt::format("{}-", node)) ||
       (before && api::string_at(*before, {"spec", "nodeName"}) != node)))
    return fail(not_its_own(call, name));
  return {};
}

Holdings::Holdings(env::Env& env, store::Shard& shard)
    : allocations_(env, shard,
                   {.cluster = kRootCluster.value, .resource = std::string(Factory::kAllocations)}, true,
                   {.reset =
                        [this] {
                          by_node_.clear();
                          by_cluster_.clear();
                          ready_ = false;
                        },
                    .change =
                        [this](const store::Change& change) {
                          remove(change.before ? change.before : change.object);
                          if (!change.deleted) add(change.object);
                        },
                    .caught_up = [this] { ready_ = true; }}) {}

const Holdings::Pods& Holdings::of(std::string_view node) const {
  static const Pods kNone;
  const auto it = by_node_.find(node);
  return it == by_node_.end() ? kNone : it->second;
}

void Holdings::add(const api::ObjectPtr& object) {
  const Json value = object->parse();
  const Json* spec = api::find(value, {"spec"});
  if (!spec) return;
  const std::string cluster(api::string_at(*spec, {"cluster"}));
  by_node_[std::string(api::string_at(*spec, {"node"}))][std::string(object->key.name())] = {
      cluster, std::string(api::string_at(*spec, {"namespace"})),
      std::string(api::string_at(*spec, {"pod"}))};
  ++by_cluster_[cluster];
}

void Holdings::remove(const api::ObjectPtr& object) {
  const auto node = by_node_.find(object->node);
  if (node == by_node_.end()) return;
  const auto pod = node->second.find(std::string(object->key.name()));
  if (pod == node->second.end()) return;
  const auto cluster = by_cluster_.find(pod->second.cluster);
  if (cluster != by_cluster_.end() && --cluster->second == 0) by_cluster_.erase(cluster);
  node->second.erase(pod);
  if (node->second.empty()) by_node_.erase(node);
}

}  // namespace ingot::apiserver
