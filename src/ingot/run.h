// ingot run: what it is told, and the parts that `ingot runs` shares. Main thread.
#pragma once

#include "ingot/run_follow.h"

namespace ingot {

// Brings what the run left in its artifact `outputs` into ./outputs, and says so; "" of one that left none.
Result<api::JsonObject> bring_outputs(const Common&, const Place&, const api::Json& workflow, bool quiet);

}  // namespace ingot
