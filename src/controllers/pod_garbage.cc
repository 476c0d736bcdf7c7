// Pods nobody will end: those of a node that is gone, those that have ended and are being deleted, and the oldest ended
// ones of a cluster that keeps too many. Facts: pkg/controller/podgc.
#include <algorithm>

#include "api/deletion.h"
#include "controllers/table.h"

namespace ingot::controllers {
namespace {

bool has_ended(const Json& pod) {
  const std::string_view phase = api::string_at(pod, {"status", "phase"});
  return phase == "Succeeded" || phase == "Failed";
}

// A key without a namespace stands for all ended pods of its cluster.
Key whole_cluster(const Key& key) { return Key(ClusterId{std::string(key.cluster())}, "pods", "", "ended"); }

void watch(const Seen& seen, const Enqueue& enqueue) {
  const Key& key = seen.key();
  if (key.resource() == "nodes" && key.cluster() == kRootCluster.value && seen.change.deleted)
    for (const Key& pod : seen.index.pods_on(key.name())) enqueue(pod);
  if (key.resource() != "pods" || seen.change.deleted) return;
  // A pod first seen with a node: at start-up, when its node may have gone meanwhile.
  if (!seen.change.before && !seen.change.object->node.empty()) enqueue(key);
  if (!seen.change.object->marks.ended) return;
  if (seen.change.object->marks.deleting) enqueue(key);
  if (seen.index.ended_pods(key.cluster()) > seen.facts.terminated_pods) enqueue(whole_cluster(key));
}

void fail_with_node(Json& pod, WallTime now) {
  api::set(pod, {"status", "phase"}, "Failed");
  JsonArray conditions = api::array_at(pod, {"status", "conditions"});
  conditions.push_back({{"type", "DisruptionTarget"},
                        {"status", "True"},
                        {"reason", "DeletionByPodGC"},
                        {"message", "PodGC: node no longer exists"},
                        {"lastTransitionTime", to_rfc3339(now)}});
  api::set(pod, {"status", "conditions"}, std::move(conditions));
}

Plan end_pod(const Snapshot& in, const Key& key, WallTime now) {
  Plan plan;
  const ObjectPtr object = in.get("pods", key.ns(), key.name());
  if (!object) return plan;
  Json pod = object->parse();
  const std::string node(api::string_at(pod, {"spec", "nodeName"}));
  const bool lost = !node.empty() && !in.node_exists(node);
  const bool over = api::is_deleting(pod) && has_ended(pod);
  if (!lost && !over) return plan;
  if (lost && !has_ended(pod)) fail_with_node(pod, now);
  if (api::begin_deletion(pod, {.grace_s = 0}, now)) {
    plan.erase(object);
  } else if (api::to_text(pod) != object->json) {
    plan.update(object, std::move(pod));
  }
  return plan;
}

Plan thin_out(const Snapshot& in) {
  std::vector<std::pair<std::string, ObjectPtr>> ended;  // by when they were made
  in.range("pods", "", [&](const ObjectPtr& object) {
    if (object->marks.ended && !object->marks.deleting)
      ended.emplace_back(api::string_at(object->parse(), {"metadata", "creationTimestamp"}), object);
    return true;
  });
  Plan plan;
  if (ended.size() <= in.facts().terminated_pods) return plan;
  std::ranges::sort(ended, {}, [](const auto& e) { return std::pair(e.first, e.second->key); });
  // A tenth more than needed: looking at all of them again for each pod that ends would be dear.
  const size_t kept = in.facts().terminated_pods - in.facts().terminated_pods / 10;
  for (size_t i = 0; i < ended.size() - kept; ++i) {
    if (plan.writes.size() == kMaxWrites) {
      plan.again = true;
      break;
    }
    plan.remove(ended[i].second);
  }
  return plan;
}

Plan reconcile(const Snapshot& in, const Key& key, WallTime now) {
  return key.ns().empty() ? thin_out(in) : end_pod(in, key, now);
}

}  // namespace

const Controller kPodGarbage{"pod_garbage", watch, reconcile};

}  // namespace ingot::controllers
