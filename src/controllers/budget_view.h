// A Budget as it stands, for who asks. Plain values.
#pragma once

#include <cstdint>
#include <string>

#include "policy/budget.h"

namespace ingot::controllers {

struct BudgetView {
  std::string name, currency;
  std::string only_tenant;  // whose it is alone; "": of several, or of all
  policy::BudgetPhase phase;
  policy::Span span;
  int64_t amount, spent, foreseen, per_hour;  // micro-units
  size_t running, held;                       // pods, units
};

}  // namespace ingot::controllers
