// Whether an alias may come to name a version of a model. Every way there asks here: `ingot model promote`, MLflow's
// aliases, kubectl. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "api/json.h"

namespace ingot::policy {

struct Promotion {
  const api::Json& model;
  const api::Json& version;  // the ModelVersion that the alias is to name
  const api::Json* current;  // the one it names now; nullptr: none
  std::string_view alias;
  bool back = false;  // it named this version before: a rollback
};
struct PromotionVerdict {
  bool allowed = true;
  std::string reason, way_out;  // of a refusal
};

PromotionVerdict judge_promotion(const Promotion&);

}  // namespace ingot::policy
