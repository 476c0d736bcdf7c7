// Who pays for a claim that pods share, once who did is gone. Thread rule: the loop.
#pragma once

#include <optional>
#include <string>

#include "scheduler/model.h"
#include "store/shard.h"

namespace ingot::controllers {

// Of the model's first claim that nobody is charged for, while some have its devices: charges the Allocation that has them
// longest, if possible one that is not leaving, from now on. Returns its uid; none: that could not be written (the disk is
// full). Call it only where the model has such a claim.
std::optional<std::string> charge_heir(store::Turn&, const scheduler::Model&, WallTime now);

}  // namespace ingot::controllers
