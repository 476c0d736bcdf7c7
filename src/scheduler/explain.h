// Why a request has no node, in one line a person can act on: "2 of 8 GPUs free in pool default, needs 4".
// Pure. Internal to the room.
#pragma once

#include <string>

#include "scheduler/model.h"

namespace ingot::scheduler {

struct Explanation {
  std::string text;
  bool lacks_room = false;  // it would fit if others held less
};

// What is in use on the node of the same position.
struct Use {
  int64_t cpu_milli = 0, memory_bytes = 0, pods = 0, free_gpus = 0;
};

// `reserved`: the node kept for another unit, or "".
Explanation explain(const Request&, const std::vector<const Node*>& nodes, const std::vector<Use>& uses,
                    std::string_view reserved);

}  // namespace ingot::scheduler
