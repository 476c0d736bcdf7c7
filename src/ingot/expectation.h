// What new work may expect, in words: "starts about 14:20 UTC, about $3.10". Pure; any thread.
#pragma once

#include <string>

#include "api/object.h"
#include "controllers/placement_story.h"

namespace ingot {

// `prices`: the PriceList, or null.
std::string expectation_text(const controllers::Estimate&, const api::ObjectPtr& prices, WallTime now);

}  // namespace ingot
