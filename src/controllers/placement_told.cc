#include "controllers/placement_told.h"

#include <algorithm>

#include "api/deletion.h"
#include "controllers/placement_writes.h"
#include "scheduler/objects.h"

namespace ingot::controllers {
namespace {

using api::Json;
using api::Key;
using api::ObjectPtr;

void say_of_pod(store::Turn& turn, const Key& pod, std::string_view uid, std::string_view reason,
                std::string_view message, WallTime now) {
  say(turn, {pod, "Pod", uid, "Warning", reason, message, kScheduler}, now);
}

// Whether it was written.
bool refuse(WaitingPod& pod, const std::string& uid, const std::shared_ptr<const std::string>& reason,
            store::Turn& turn, WallTime now) {
  pod.told = reason;
  pod.told_at = now;
  const ObjectPtr before = turn.get(pod.key);
  if (!before) return false;
  Json object = before->parse();
  if (api::string_at(object, {"metadata", "uid"}) != uid ||
      scheduler::state_of(object) != scheduler::PodState::Pending)
    return false;
  refuse_pod(object, *reason, now);
  if (!turn.put(pod.key, std::move(object), before->revision)) return false;
  say_of_pod(turn, pod.key, uid, "FailedScheduling", *reason, now);
  return true;
}

}  // namespace

Reasons write_reasons(store::Turn& turn, const std::vector<scheduler::Waiting>& waiting,
                      const scheduler::Model& model, PlacementUnits& units, const ReasonLimits& limits,
                      WallTime now) {
  // Many waiting pods whose reasons change with every placement share a rate, not each have one.
  const Duration every = std::max<Duration>(limits.every, std::chrono::milliseconds(10) * waiting.size());
  Reasons out;
  size_t told = 0;
  for (const scheduler::Waiting& w : waiting) {
    const scheduler::Unit* unit = model.unit(w.unit);
    if (!unit) continue;
    for (const scheduler::PendingPod& p : unit->pods) {
      WaitingPod* pod = units.waiting(p.uid);
      if (!pod || (pod->told && (pod->told == w.reason || *pod->told == *w.reason))) continue;
      if (pod->told && pod->told_at && *pod->told_at + every > now) {
        const WallTime due = std::chrono::time_point_cast<WallTime::duration>(*pod->told_at + every);
        out.next = out.next ? std::min(*out.next, due) : due;
        continue;
      }
      if (told == limits.per_turn) {
        out.more = true;
        return out;
      }
      ++told;
      out.written += refuse(*pod, p.uid, w.reason, turn, now);
    }
  }
  return out;
}

Told tell_to_go(store::Turn& turn, const scheduler::Eviction& e, WallTime now) {
  const ObjectPtr allocation = turn.get({kRootCluster, kAllocations, "", e.pod});
  if (!allocation) return Told::Needless;
  const Json held = allocation->parse();
  const auto at = [&](std::string_view field) { return api::string_at(held, {"spec", field}); };
  const Key key{ClusterId(std::string(at("cluster"))), "pods", at("namespace"), at("pod")};
  const ObjectPtr object = turn.get(key);
  if (!object) return Told::Needless;
  Json pod = object->parse();
  if (api::string_at(pod, {"metadata", "uid"}) != e.pod || api::is_deleting(pod)) return Told::Needless;
  set_condition(pod, "DisruptionTarget", "True", "PreemptionByScheduler", e.message, now);
  if (!turn.put(key, std::move(pod), object->revision)) return Told::No;
  say_of_pod(turn, key, e.pod, "Preempted", e.message, now);
  const ObjectPtr marked = turn.get(key);
  pod = marked->parse();
  const bool gone = api::begin_deletion(pod, {}, now);
  const auto told =
      gone ? turn.erase(key, marked->revision) : turn.put(key, std::move(pod), marked->revision);
  return told ? Told::Yes : Told::No;
}

}  // namespace ingot::controllers
