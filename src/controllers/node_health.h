// What a node's silence does to its object and to its pods. Pure; any thread.
// Facts: pkg/controller/nodelifecycle, pkg/controller/tainteviction.
#pragma once

#include <optional>

#include "api/json.h"
#include "base/time.h"

namespace ingot::controllers {

// While a node is silent its conditions are Unknown; what Ready was before stands in this annotation, for an agent that
// comes back need not say again what has not changed for it.
inline constexpr std::string_view kReadyBefore = "factory.ingot.dev/ready-before-silence";

bool is_silent(const api::Json& node);  // marked so
void mark_silent(api::Json& node, WallTime now);
void mark_heard(api::Json& node, WallTime now);

// Brings the taints node.kubernetes.io/unreachable and /not-ready (NoSchedule, NoExecute) in line with Ready, and gives
// every NoExecute taint its time. Returns whether something changed.
bool settle_taints(api::Json& node, WallTime now);

// When the node's NoExecute taints drive this pod away; none: never. May lie in the past.
std::optional<WallTime> eviction_time(const api::Json& node, const api::Json& pod);

}  // namespace ingot::controllers
