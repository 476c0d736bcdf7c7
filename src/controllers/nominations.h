// status.nominatedNodeName of waiting pods: where room was made for them by eviction.
// Thread rule: the loop. Invariant: after write() returned false, waiting pods name a node if and only if an evicting
// reservation keeps it for them, but for writes that the store refused; those are made at a later call.
#pragma once

#include "controllers/placement_units.h"
#include "scheduler/model.h"
#include "store/shard.h"

namespace ingot::controllers {

// Returns whether some are left for another turn.
bool write_nominations(store::Turn&, const scheduler::Model&, PlacementUnits&);

}  // namespace ingot::controllers
