// ResourceClaims of pods: made from templates, given back when their pod has ended, and gone with it. What a claim holds
// is written where its pod is bound (placement_claims.h); the devices themselves are the pod's Allocation.
// Facts: pkg/controller/resourceclaim.
#include <algorithm>

#include "api/deletion.h"
#include "base/encoding.h"
#include "controllers/claims.h"
#include "controllers/table.h"

namespace ingot::controllers {
namespace {

constexpr std::string_view kPods = "pods";
constexpr size_t kMostPrefix = 58;  // of a generated name (apiserver: pkg/storage/names)

bool has_ended(const Json& pod) {
  const std::string_view phase = api::string_at(pod, {"status", "phase"});
  return phase == "Succeeded" || phase == "Failed";
}
Key beside(const Key& key, std::string_view resource, std::string_view name) {
  return Key(ClusterId{std::string(key.cluster())}, resource, key.ns(), name);
}

void watch(const Seen& seen, const Enqueue& enqueue) {
  const Key& key = seen.key();
  const bool deleted = seen.change.deleted;
  if (key.resource() == kPods && seen.change.object->mentions("\"resourceClaims\"")) {
    if (!deleted) enqueue(key);
    const bool over = deleted || seen.change.object->marks.ended;
    if (!over) return;
    const Json pod = seen.change.object->parse();
    for (const Json& named : api::array_at(pod, {"spec", "resourceClaims"}))
      if (const std::string_view claim = claim_name(pod, named); is_name(claim))
        enqueue(beside(key, kClaims, claim));
  } else if (key.resource() == kClaims) {
    if (!deleted) return enqueue(key);
    for (const OwnerRef& owner : seen.owners)
      if (owner.kind == "Pod" && is_name(owner.name)) enqueue(beside(key, kPods, owner.name));
  } else if (key.resource() == kClaimTemplates && !deleted && !seen.change.before) {
    enqueue(key);
  }
}

// The same for the same pod and claim however often it is asked.
std::string fresh_name(const Snapshot& in, const Json& pod, std::string_view claim) {
  const std::string_view ns = api::string_at(pod, {"metadata", "namespace"});
  const std::string prefix =
      (std::string(api::string_at(pod, {"metadata", "name"})) + "-" + std::string(claim) + "-")
          .substr(0, kMostPrefix);
  std::string name;
  for (int salt = 0; salt < 8; ++salt) {
    const std::string hash = sha256(std::string(api::string_at(pod, {"metadata", "uid"})) + "/" +
                                    std::string(claim) + "/" + std::to_string(salt));
    uint64_t random = 0;
    for (size_t i = 0; i < 8; ++i) random = random << 8 | uint8_t(hash[i]);
    name = prefix + name_suffix(random, 5);
    if (!in.get(kClaims, ns, name)) break;
  }
  return name;
}

Json claim_from(const Json& source, const Json& pod, std::string_view pod_claim, std::string_view name) {
  JsonObject metadata = api::object_at(source, {"spec", "metadata"});
  metadata["name"] = name;
  metadata["namespace"] = api::string_at(pod, {"metadata", "namespace"});
  metadata["ownerReferences"] = JsonArray{JsonObject{{"apiVersion", "v1"},
                                                     {"kind", "Pod"},
                                                     {"name", api::string_at(pod, {"metadata", "name"})},
                                                     {"uid", api::string_at(pod, {"metadata", "uid"})},
                                                     {"controller", true},
                                                     {"blockOwnerDeletion", true}}};
  Json claim = JsonObject{{"apiVersion", "resource.k8s.io/v1"},
                          {"kind", "ResourceClaim"},
                          {"metadata", std::move(metadata)},
                          {"spec", api::object_at(source, {"spec", "spec"})}};
  api::set(claim, {"metadata", "annotations", kPodClaimName}, pod_claim);
  return claim;
}

// The claims that the pod's templates ask for and that it has not yet.
void make_claims(Plan& plan, const Snapshot& in, const ObjectPtr& object) {
  const Json pod = object->parse();
  if (api::is_deleting(pod) || has_ended(pod) || !api::string_at(pod, {"spec", "nodeName"}).empty()) return;
  JsonArray statuses = api::array_at(pod, {"status", "resourceClaimStatuses"});
  bool changed = false;
  for (const Json& named : api::array_at(pod, {"spec", "resourceClaims"})) {
    const std::string_view from = api::string_at(named, {"resourceClaimTemplateName"});
    const std::string_view pod_claim = api::string_at(named, {"name"});
    if (from.empty() || in.get(kClaims, object->key.ns(), claim_name(pod, named))) continue;
    const ObjectPtr source = in.get(kClaimTemplates, object->key.ns(), from);
    if (!source) continue;
    const std::string name = fresh_name(in, pod, pod_claim);
    plan.create(in, kClaims, claim_from(source->parse(), pod, pod_claim, name));
    JsonArray others;
    std::ranges::copy_if(statuses, std::back_inserter(others),
                         [&](const Json& s) { return api::string_at(s, {"name"}) != pod_claim; });
    statuses = std::move(others);
    statuses.push_back(JsonObject{{"name", pod_claim}, {"resourceClaimName", name}});
    changed = true;
  }
  if (!changed) return;
  Json after = pod;
  api::set(after, {"status", "resourceClaimStatuses"}, std::move(statuses));
  plan.update(object, std::move(after));
}

bool uses(const Snapshot& in, std::string_view ns, const Json& consumer) {
  const std::string_view name = api::string_at(consumer, {"name"});
  if (api::string_at(consumer, {"resource"}) != kPods || !is_name(name)) return false;
  const ObjectPtr object = in.get(kPods, ns, name);
  if (!object) return false;
  const Json pod = object->parse();
  return api::string_at(pod, {"metadata", "uid"}) == api::string_at(consumer, {"uid"}) && !has_ended(pod);
}

// A claim made for a pod serves nobody once that has ended.
bool outlived(const Snapshot& in, const ObjectPtr& claim) {
  for (const OwnerRef& owner : owners_of(*claim)) {
    if (owner.kind != "Pod" || !owner.controller || !is_name(owner.name)) continue;
    const ObjectPtr object = in.get(kPods, claim->key.ns(), owner.name);
    if (!object) continue;
    const Json pod = object->parse();
    if (api::string_at(pod, {"metadata", "uid"}) == owner.uid && has_ended(pod)) return true;
  }
  return false;
}

void settle_claim(Plan& plan, const Snapshot& in, const ObjectPtr& object) {
  Json claim = object->parse();
  const JsonArray& before = api::array_at(claim, {"status", "reservedFor"});
  JsonArray users;
  std::ranges::copy_if(before, std::back_inserter(users),
                       [&](const Json& consumer) { return uses(in, object->key.ns(), consumer); });
  const bool held = api::find(claim, {"status", "allocation"}) != nullptr;
  const bool kept = api::has_finalizer(claim, kClaimFinalizer);
  if (!users.empty()) {
    if (users.size() == before.size()) return;
    api::set(claim, {"status", "reservedFor"}, std::move(users));
    return plan.update(object, std::move(claim));
  }
  if (held || kept || !before.empty()) {
    api::erase(claim, {"status", "allocation"});
    api::erase(claim, {"status", "reservedFor"});
    api::erase(claim, {"status", "devices"});
    api::remove_finalizer(claim, kClaimFinalizer);
    return plan.update(object, std::move(claim));
  }
  if (!api::is_deleting(claim) && outlived(in, object)) plan.remove(object);
}

// Pods that came before their template.
void serve_waiting(Plan& plan, const Snapshot& in, const Key& source) {
  in.range(kPods, source.ns(), [&](const ObjectPtr& pod) {
    plan.again = plan.writes.size() + 64 > kMaxWrites;
    if (!plan.again && pod->mentions("\"resourceClaimTemplateName\"")) make_claims(plan, in, pod);
    return !plan.again;
  });
}

Plan reconcile(const Snapshot& in, const Key& key, WallTime) {
  Plan plan;
  const ObjectPtr object = in.get(key.resource(), key.ns(), key.name());
  if (!object) return plan;
  if (key.resource() == kPods)
    make_claims(plan, in, object);
  else if (key.resource() == kClaims)
    settle_claim(plan, in, object);
  else
    serve_waiting(plan, in, key);
  return plan;
}

}  // namespace

const Controller kClaim{"claim", watch, reconcile};

}  // namespace ingot::controllers
