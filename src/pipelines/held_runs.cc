#include "pipelines/held_runs.h"

#include "workflow/node.h"
#include "workflow/pod.h"

namespace ingot::pipelines {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::Key;
using api::string_at;

constexpr std::string_view kRunVerdicts = "runverdicts", kGated = "Gated";

Key record_key(const Key& workflow) {
  return {ClusterId{std::string(workflow.cluster())}, kRunVerdicts, workflow.ns(), workflow.name()};
}

}  // namespace

Json run_verdict(const store::Turn& turn, const Key& workflow, std::string_view uid) {
  const api::ObjectPtr record = turn.get(record_key(workflow));
  if (!record) return {};
  Json said = record->parse();
  return !uid.empty() && string_at(said, {"uid"}) == uid ? said : Json();
}

HeldRuns::Answer HeldRuns::ask(store::Turn& turn, const api::ObjectPtr& object, const Json& json,
                               const Json& spec, const JsonObject& templates, bool begun, WallTime now) {
  const Key& key = object->key;
  const std::string_view uid = string_at(json, {"metadata", "uid"});
  if (!judge_ || begun || !run_verdict(turn, key, uid).is_null()) {
    held_.erase(key.text());
    return Answer::Begins;
  }
  const std::optional<RunSaid> said = judge_(turn, {key, json, spec, templates});
  if (!said) {
    held_.insert(key.text());
    return Answer::Held;
  }
  if (said->concerned)
    turn.append({"verdicts", said->row_identity, std::string(key.cluster()), now, said->row});
  if (!said->held.empty()) {
    held_.insert(key.text());
    return hold(turn, object, said->held, now) ? Answer::Held : Answer::Refused;
  }
  held_.erase(key.text());
  if (!said->concerned) return Answer::Begins;
  const auto kept = turn.put(record_key(key), JsonObject{{"metadata", JsonObject{{"name", key.name()}}},
                                                         {"uid", uid},
                                                         {"at", to_rfc3339(now)},
                                                         {"identity", said->row_identity}});
  return kept ? Answer::Begins : Answer::Refused;
}

bool HeldRuns::was_held(const Json& workflow) {
  if (string_at(workflow, {"status", "phase"}) != to_string(workflow::Phase::Pending)) return false;
  for (const Json& condition : api::array_at(workflow, {"status", "conditions"}))
    if (string_at(condition, {"type"}) == kGated) return true;
  return false;
}

void HeldRuns::gone(store::Turn& turn, const Key& workflow) {
  held_.erase(workflow.text());
  if (turn.get(record_key(workflow))) (void)turn.erase(record_key(workflow));
}

// As one that has not begun: whatever its status said.
bool HeldRuns::hold(store::Turn& turn, const api::ObjectPtr& object, const std::string& why, WallTime now) {
  Json json = object->parse();
  const std::string_view pending = to_string(workflow::Phase::Pending);
  if (string_at(json, {"status", "phase"}) == pending && string_at(json, {"status", "message"}) == why &&
      !api::find(json, {"status", "startedAt"}))
    return true;
  api::set(json, {"status"},
           JsonObject{{"phase", pending},
                      {"message", why},
                      {"conditions", JsonArray{JsonObject{{"type", kGated},
                                                          {"status", "True"},
                                                          {"reason", "Gate"},
                                                          {"message", why},
                                                          {"lastTransitionTime", to_rfc3339(now)}}}}});
  api::set(json, {"metadata", "labels", workflow::kPhaseLabel}, pending);
  api::set(json, {"metadata", "labels", workflow::kCompletedLabel}, "false");
  return turn.put(object->key, std::move(json), object->revision).has_value();
}

}  // namespace ingot::pipelines
