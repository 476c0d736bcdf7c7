#include "controllers/eviction.h"

#include "api/deletion.h"
#include "controllers/placement_writes.h"
#include "scheduler/objects.h"

namespace ingot::controllers {

using api::Json;
using api::string_at;

api::ObjectPtr evictable_pod(const store::Turn& turn, const Json& allocation) {
  const std::string_view cluster = string_at(allocation, {"spec", "cluster"}),
                         name = string_at(allocation, {"spec", "pod"});
  if (cluster.empty() || name.empty()) return nullptr;
  api::ObjectPtr object =
      turn.get({ClusterId(std::string(cluster)), "pods", string_at(allocation, {"spec", "namespace"}), name});
  if (!object) return nullptr;
  const Json pod = object->parse();
  const bool leaves = string_at(pod, {"metadata", "uid"}) != string_at(allocation, {"metadata", "name"}) ||
                      api::is_deleting(pod) || scheduler::state_of(pod) != scheduler::PodState::Placed;
  return leaves ? nullptr : object;
}

bool evict_pod(store::Turn& turn, const api::ObjectPtr& object, const Disruption& why, WallTime now) {
  Json pod = object->parse();
  const std::string uid(string_at(pod, {"metadata", "uid"}));
  set_condition(pod, "DisruptionTarget", "True", why.reason, why.message, now);
  const bool gone = api::begin_deletion(pod, {}, now);
  const bool written = gone ? turn.erase(object->key, object->revision).has_value()
                            : turn.put(object->key, std::move(pod), object->revision).has_value();
  if (!written) return false;
  say(turn, {object->key, "Pod", uid, why.event_type, why.event, why.message, why.component}, now);
  return true;
}

}  // namespace ingot::controllers
