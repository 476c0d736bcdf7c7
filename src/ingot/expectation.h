// What new work may expect, in words: "starts about 14:20 UTC, about $3.10". expectation_text is pure, any thread.
#pragma once

#include <memory>
#include <string>

#include "api/object.h"
#include "apiserver/server.h"
#include "controllers/placement.h"
#include "controllers/placement_story.h"
#include "policy/prices.h"

namespace ingot {

std::string expectation_text(const controllers::Estimate&, const policy::Prices&, WallTime now);
// What the API server is told for its warnings; the placement may come later. Both outlive it. Thread rule: the loop.
apiserver::Expectation expectation_by(const std::unique_ptr<controllers::Placement>&, const env::Clock&);

}  // namespace ingot
