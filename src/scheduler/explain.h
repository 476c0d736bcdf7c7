// Why a request has no node, in one line a person can act on: "2 of 8 GPUs free in pool default, needs 4".
// Pure. Internal to the room.
#pragma once

#include <functional>
#include <string>

#include "scheduler/model.h"

namespace ingot::scheduler {

struct Explanation {
  std::string text;
  bool lacks_room = false;  // it would fit if others held less
};

// What the pod may see of a node: whether its pool is open to the pod's tenant, whether it is kept for others.
struct Sees {
  std::function<bool(const Node&)> open, kept;
};

// `nodes`: all that are known, in name order.
Explanation explain(const Request&, const std::vector<const NodeState*>& nodes, const Sees&);

}  // namespace ingot::scheduler
