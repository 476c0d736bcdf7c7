// Budgets, Gates and their exceptions as they are written: names that nothing has are told of, and who approves an
// exception is who made it, whatever he says. Loop thread, inside the turn.
#pragma once

#include "apiserver/context.h"

namespace ingot::apiserver {

inline constexpr std::string_view kBudgets = "budgets.factory.ingot.dev", kGates = "gates.factory.ingot.dev",
                                  kGateExceptions = "gateexceptions.factory.ingot.dev";

Result<void> admit_gate(Call&, const api::Json& object);  // or a Budget
Result<void> admit_exception(Call&, api::Json& object);   // a new one

}  // namespace ingot::apiserver
