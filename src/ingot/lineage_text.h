// Lineage as a terminal shows it: what something came from as a tree, then what came of it. Pure.
#pragma once

#include <string>

#include "api/json.h"
#include "base/time.h"

namespace ingot {

std::string lineage_text(const api::Json& answer, WallTime now);

}  // namespace ingot
