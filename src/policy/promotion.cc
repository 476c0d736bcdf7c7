#include "policy/promotion.h"

namespace ingot::policy {

PromotionVerdict judge_promotion(const Promotion& asked) {
  const std::string_view phase = api::string_at(asked.version, {"status", "phase"});
  const std::string name(api::string_at(asked.version, {"metadata", "name"}));
  if (phase == "Ready") return {};
  if (phase == "Failed")
    return {.allowed = false,
            .reason = name + " failed: " + std::string(api::string_at(asked.version, {"status", "message"})),
            .way_out = "register the model again"};
  return {
      .allowed = false, .reason = name + " is not signed yet", .way_out = "wait until its phase is Ready"};
}

}  // namespace ingot::policy
