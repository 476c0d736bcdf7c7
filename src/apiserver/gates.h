// Budgets, Gates and their exceptions as they are written: names that nothing has are told of, and who approves an
// exception is who made it, whatever he says. And what gates say of promotions. Loop thread, inside the turn.
#pragma once

#include "apiserver/context.h"
#include "policy/promotion.h"

namespace ingot::apiserver {

inline constexpr std::string_view kBudgets = "budgets.factory.ingot.dev";
using policy::kGateExceptions;
using policy::kGates;

Result<void> admit_gate(Call&, const api::Json& object);  // or a Budget
Result<void> admit_exception(Call&, api::Json& object);   // a new one
// A pod that was placed under a gate on images runs those that were judged, and no others.
Result<void> keep_images(Call&, const api::Json& before, const api::Json& after);
// With the factory's gates as they are in this turn; what they say is a row of the stream `verdicts`.
policy::PromotionVerdict judge_promotion(Call&, const policy::Promotion&);

}  // namespace ingot::apiserver
