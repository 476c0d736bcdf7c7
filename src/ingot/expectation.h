// What new work may expect, in words: "starts about 14:20 UTC, about $3.10". Pure; any thread.
#pragma once

#include <string>

#include "api/object.h"
#include "controllers/placement_story.h"
#include "policy/prices.h"

namespace ingot {

std::string expectation_text(const controllers::Estimate&, const policy::Prices&, WallTime now);

}  // namespace ingot
