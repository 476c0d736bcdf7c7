// What the shard knows of the run that a version came from, looked up while it is still there. In a turn.
#pragma once

#include "registry/provenance.h"
#include "store/shard.h"

namespace ingot::registry {

Made look_up(const store::Turn&, const ClusterId&, const api::Json& version);

}  // namespace ingot::registry
