// The pod's subresources that are no plain reads and writes: log, binding, eviction. Loop thread, inside the turn.
#pragma once

#include "apiserver/context.h"

namespace ingot::apiserver {

Result<Outcome> read_log(Call&);
// Nobody binds but the scheduler: the wish is kept as a proposal and the caller is told so (403).
Result<Outcome> propose_binding(Call&);
Result<Outcome> evict(Call&);

}  // namespace ingot::apiserver
