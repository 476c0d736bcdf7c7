// What others may take of a node that is kept for a unit. Pure; any thread.
//
// Invariant: a share or an instance goes where a board is free now and spare later, and is charged to that very board;
// whole boards are alike, so many of them are spare. So what is kept is there when its owner comes.
#pragma once

#include <span>

#include "scheduler/node_state.h"

namespace ingot::scheduler {

// Free now and spare later.
Space both(Space now, const Space& spare);
// Takes what was given; for a whole board that is not spare, another one.
void charge(Space& spare, const NodeState&, const Shape&, std::span<const Held> given);

}  // namespace ingot::scheduler
