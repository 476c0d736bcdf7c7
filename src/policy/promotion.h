// Whether an alias may come to name a version of a model. Every way there asks here: `ingot model promote`, MLflow's
// aliases, kubectl. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "api/json.h"
#include "policy/gates.h"

namespace ingot::policy {

struct Promotion {
  const api::Json& model;
  const api::Json& version;  // the ModelVersion that the alias is to name
  const api::Json* current;  // the one it names now; nullptr: none
  std::string_view alias;
  bool back = false;  // it named this version before: a rollback, which no gate holds up
  std::string_view tenant{};
  MetricsOf metrics_of{};  // of what an alias of the model names now
};
struct PromotionVerdict {
  bool allowed = true;
  std::string reason, way_out;  // of a refusal
  Verdict gates;                // what they said; asked only when nothing else speaks against it
};

// What gates see of it: the version, and what the factory itself noted of the run that made it.
Facts promotion_facts(const Promotion&);
PromotionVerdict judge_promotion(const Promotion&, const GateSet&, WallTime now);

}  // namespace ingot::policy
