// What new work may expect, in words: "starts about 14:20 UTC, about $3.10". Thread rule: the caller's.
#pragma once

#include <string>

#include "api/object.h"
#include "controllers/placement_story.h"
#include "metering/prices.h"

namespace ingot {

// The prices of the newest PriceList that was asked for, read once; null: without one.
class PriceMemo {
 public:
  const metering::Prices& of(const api::ObjectPtr& list);

 private:
  api::ObjectPtr list_;
  metering::Prices prices_;
};

std::string expectation_text(const controllers::Estimate&, const metering::Prices&, WallTime now);

}  // namespace ingot
