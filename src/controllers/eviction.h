// How the factory takes a pod from what it holds: the pod says why (condition DisruptionTarget and an Event) and is
// deleted as the API would, so it ends within its grace and keeps its Allocation until the node confirms. A Job that owns
// it makes another and counts no failure (job_sync.cc). Inside a turn; the loop.
#pragma once

#include <string_view>

#include "api/object.h"
#include "base/time.h"
#include "store/shard.h"

namespace ingot::controllers {

struct Disruption {
  std::string_view reason;             // the condition's: "DeletionByTaintManager"
  std::string_view message;            // of condition and Event
  std::string_view event_type, event;  // "Warning", "GPUUnhealthy"
  std::string_view component;          // who says so
};

// The pod that an open Allocation names, still placed and not leaving; nullptr: there is nobody to evict.
api::ObjectPtr evictable_pod(const store::Turn&, const api::Json& allocation);

// False: it could not be written (the disk is full); try again later.
bool evict_pod(store::Turn&, const api::ObjectPtr& pod, const Disruption&, WallTime now);

}  // namespace ingot::controllers
