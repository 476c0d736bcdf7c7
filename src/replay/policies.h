// The policies that traces are played under, by name: how places are chosen, whose turn it is, who gives way.
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "scheduler/order.h"

namespace ingot::replay {

struct ReplayPolicy {
  std::string_view name, what;
  scheduler::PlacementCost placement = scheduler::PlacementCost::Waste;
  scheduler::OrderKind known = scheduler::OrderKind::Age, unknown = known;  // by whether run times are known
  bool strict = false;                                                      // nobody passes who does not fit
  bool preempts = false;
  bool elders = false;  // where run times are unknown nobody starves (scheduler/order.h)
};

const std::vector<ReplayPolicy>& replay_policies();        // ours first
const ReplayPolicy* replay_policy(std::string_view name);  // nullptr: there is none

}  // namespace ingot::replay
