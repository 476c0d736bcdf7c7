// What placing or not placing a pod writes. Pure, any thread; but say(), which writes in its turn.
#pragma once

#include <string>
#include <string_view>

#include "api/object.h"
#include "base/time.h"
#include "scheduler/schedule.h"
#include "store/shard.h"

namespace ingot::controllers {

inline constexpr std::string_view kAllocations = "allocations.factory.ingot.dev";

// What the pod holds from now on (ARCHITECTURE.md: Allocation). The labels say what the ledger must know later though
// the node may be gone by then.
struct ClaimPart {
  std::string entry, request, uid;  // of the pod's spec.resourceClaims, in that claim, and the claim's
};
struct Grant {
  api::Key pod;
  std::string pod_uid, tenant, node, uid;
  std::vector<scheduler::Held> devices;
  std::vector<ClaimPart> claims;  // that the first devices answer
  api::JsonArray joined;          // devices that others have, too, and one of them is charged for
  int64_t cpu_milli = 0, memory_bytes = 0;
  scheduler::Work work;
  std::string why;                  // this node
  std::string created;              // the pod's creationTimestamp
  std::vector<std::string> models;  // that it would have taken; empty: any
  bool simulated = false;
};
api::Json allocation_object(const Grant&, WallTime now);

// What the pod's Event says of where it went, and why there.
std::string assigned(const api::Key& pod, const scheduler::Binding&);
// Sets spec.nodeName and condition PodScheduled=True; the node is nominated no more.
void bind_pod(api::Json& pod, std::string_view node, WallTime now);
// Sets condition PodScheduled=False, reason Unschedulable.
void refuse_pod(api::Json& pod, std::string_view message, WallTime now);

// Sets or adds the condition of this type; lastTransitionTime moves only with its status.
void set_condition(api::Json& object, std::string_view type, std::string_view status, std::string_view reason,
                   std::string_view message, WallTime now);

// For objects whose uid is nobody's reference: made from what they are, it needs no randomness.
std::string uuid_of(std::string_view text);

// One Event per object and reason: said again it counts up and carries the newest message (client-go's correlator
// does the same). `before`: the Event of that key, or nullptr.
struct Notice {
  api::Key about;  // a pod or a node
  std::string_view kind, uid, type, reason, message, component;
};
api::Key event_key(const Notice&);
api::Json event_object(const Notice&, const api::Object* before, WallTime now);
void say(store::Turn&, const Notice&, WallTime now);

}  // namespace ingot::controllers
