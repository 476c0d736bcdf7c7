// Events controllers leave about what they did. Pure.
#pragma once

#include "controllers/plan.h"

namespace ingot::controllers {

struct Happening {
  std::string_view type;    // "Normal", "Warning"
  std::string_view reason;  // "SuccessfulCreate"
  std::string message;
  std::string_view component;  // "job-controller"
};

// Adds to `plan` the Event about `involved`; what happened before with the same words is counted up. Returns how often
// it has happened now.
int64_t record(Plan& plan, const Snapshot&, const Json& involved, const Happening&, WallTime now);

}  // namespace ingot::controllers
