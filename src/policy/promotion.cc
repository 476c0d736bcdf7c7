#include "policy/promotion.h"

namespace ingot::policy {

using api::string_at;

Facts promotion_facts(const Promotion& asked) {
  Facts facts;
  facts.kind = WorkKind::Promotion;
  facts.tenant = asked.tenant;
  facts.ns = string_at(asked.version, {"spec", "provenanceOf", "namespace"});
  facts.name = string_at(asked.version, {"metadata", "name"});
  facts.uid = string_at(asked.version, {"metadata", "uid"});
  const std::string_view called = string_at(asked.model, {"spec", "name"});
  facts.model = called.empty() ? string_at(asked.model, {"metadata", "name"}) : called;
  facts.workflow = string_at(asked.version, {"spec", "provenanceOf", "workflow"});
  facts.workflow_uid = string_at(asked.version, {"spec", "provenanceOf", "workflowUid"});
  facts.digest = string_at(asked.version, {"spec", "manifest"});
  return facts;
}

PromotionVerdict judge_promotion(const Promotion& asked, const GateSet& gates, WallTime now) {
  const std::string_view phase = string_at(asked.version, {"status", "phase"});
  const std::string name(string_at(asked.version, {"metadata", "name"}));
  PromotionVerdict out;
  if (phase == "Failed") {
    out.allowed = false;
    out.reason = name + " failed: " + std::string(string_at(asked.version, {"status", "message"}));
    out.way_out = "register the model again";
  } else if (phase != "Ready") {
    out.allowed = false;
    out.reason = name + " is not signed yet";
    out.way_out = "wait until its phase is Ready";
  }
  if (!out.allowed || asked.back || gates.empty()) return out;
  out.gates = gates.judge_promotion(promotion_facts(asked),
                                    api::object_at(asked.version, {"spec", "provenanceOf", "metrics"}),
                                    asked.metrics_of, now);
  if (const Finding* held = out.gates.held_by()) {
    out.allowed = false;
    out.reason = "gate " + held->gate + ", rule " + held->rule + ": " + held->reason;
    out.way_out = held->way_out;
  }
  return out;
}

}  // namespace ingot::policy
