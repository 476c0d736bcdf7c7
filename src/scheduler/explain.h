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

// What the pod may see of a node: whether its pool is open to the pod's tenant, whether it is kept for others, whether
// its boards may be cut; and for how many GPUs, shares or MIG instances such as it asks for the node has room, now and
// with nothing held.
struct Sees {
  std::function<bool(const Node&)> open, kept, cuts;
  std::function<int64_t(const NodeState&)> places, most;
};

// "2 GPUs and 1 MIG 1g.10gb on one NUMA node", of a request of parts.
std::string devices_text(const Request&);

// `nodes`: all that are known, in name order.
Explanation explain(const Request&, const std::vector<const NodeState*>& nodes, const Sees&);

}  // namespace ingot::scheduler
