// One pass of the scheduler: what goes where, and why the rest waits. Pure but for the model it is given, in
// which its bindings are open allocations afterwards.
//
// Order. Tenants below their GPU guarantee come first, then the smallest dominant share ÷ weight (dominant
// share: the largest of the tenant's parts of all GPUs, CPU and memory), then the oldest waiting unit. Within
// a tenant: priority, then age.
//
// A unit that does not fit is passed over, so that nothing is idle behind a large head. Against starvation
// the unit that has waited longest beyond `patience` for room (not for its limit, nor for a node that does
// not exist) gets a node reserved: no other GPU pod goes there until it fits, or for `hold`; then it gives
// the node back for `patience`.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scheduler/model.h"

namespace ingot::scheduler {

struct Policy {
  size_t max_units = 256;         // units placed in one pass
  size_t max_checks = 2'000'000;  // nodes looked at in one pass
  Duration patience = std::chrono::minutes(5);
  Duration hold = std::chrono::minutes(30);
  bool plant_partial_gang = false;  // planted bug for the simulation: keeps the placed part of a gang
};

struct Binding {
  std::string unit, pod;  // ids
  std::string node;
  std::vector<Device> devices;
};

struct Waiting {
  std::string unit;
  std::shared_ptr<const std::string> reason;
};

struct Placements {
  std::vector<Binding> bindings;    // a unit's bindings stand together
  std::vector<Waiting> waiting;     // every pending unit that was looked at, in order
  bool more = false;                // a bound of the policy was reached: call again
  std::optional<WallTime> revisit;  // time alone changes the answer then
};

Placements schedule(Model&, const Policy&, WallTime now);

}  // namespace ingot::scheduler
