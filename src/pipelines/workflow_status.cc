#include "pipelines/workflow_status.h"

#include "workflow/pod.h"
#include "workflow/values.h"

namespace ingot::pipelines {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::set;
using api::string_at;
using workflow::Phase;
using workflow::text_json;

bool put(Json& object, std::initializer_list<std::string_view> path, Json value) {
  const Json* now = api::find(object, path);
  if (now && api::same(*now, value)) return false;
  set(object, path, std::move(value));
  return true;
}

bool drop(Json& object, std::initializer_list<std::string_view> path) {
  if (!api::find(object, path)) return false;
  api::erase(object, path);
  return true;
}

void set_conditions(Json& object, bool over) {
  JsonArray conditions;
  conditions.push_back(JsonObject{{"type", "PodRunning"}, {"status", over ? "False" : "True"}});
  if (over) conditions.push_back(JsonObject{{"type", "Completed"}, {"status", "True"}});
  set(object, {"status", "conditions"}, std::move(conditions));
}

}  // namespace

bool set_status(Json& object, workflow::Run& run, WallTime now) {
  const std::string_view phase = to_string(run.phase());
  const bool fresh = string_at(object, {"status", "phase"}) != phase;
  bool changed = fresh;
  if (fresh) {
    set(object, {"status", "phase"}, phase);
    set(object, {"metadata", "labels", workflow::kPhaseLabel}, phase);
    const WallTime started = run.nodes().empty() ? now : run.started();
    if (run.phase() != Phase::Pending) set(object, {"status", "startedAt"}, to_rfc3339(started));
    set(object, {"status", "finishedAt"}, run.over() ? text_json(to_rfc3339(run.finished())) : Json(nullptr));
    set(object, {"metadata", "labels", workflow::kCompletedLabel}, run.over() ? "true" : "false");
    set_conditions(object, run.over());
  }
  const std::string progress = std::to_string(run.pods_done()) + "/" + std::to_string(run.pods_known());
  changed |= put(object, {"status", "progress"}, text_json(progress));
  if (!run.message().empty())
    changed |= put(object, {"status", "message"}, text_json(run.message()));
  else
    changed |= drop(object, {"status", "message"});
  if (auto locks = run.synchronization()) {
    if (locks->is_object())
      changed |= put(object, {"status", "synchronization"}, *std::move(locks));
    else
      changed |= drop(object, {"status", "synchronization"});
  }
  JsonArray parameters, artifacts;
  constexpr std::string_view kParameter = "workflow.outputs.parameters.";
  for (const auto& [name, value] : run.global_outputs()) {
    if (const std::string_view full = name; full.starts_with(kParameter)) {
      parameters.push_back(JsonObject{{"name", text_json(full.substr(kParameter.size()))}, {"value", value}});
    } else if (const auto artifact = api::parse_json(string_at(value, {}))) {
      artifacts.push_back(*artifact);
    }
  }
  if (!parameters.empty()) changed |= put(object, {"status", "outputs", "parameters"}, std::move(parameters));
  if (!artifacts.empty()) changed |= put(object, {"status", "outputs", "artifacts"}, std::move(artifacts));
  return changed;
}

void set_over(Json& object, Phase phase, std::string_view message, WallTime now) {
  set(object, {"status", "phase"}, to_string(phase));
  set(object, {"status", "message"}, message);
  set(object, {"status", "startedAt"}, to_rfc3339(now));
  set(object, {"status", "finishedAt"}, to_rfc3339(now));
  set(object, {"metadata", "labels", workflow::kPhaseLabel}, to_string(phase));
  set(object, {"metadata", "labels", workflow::kCompletedLabel}, "true");
  set_conditions(object, true);
}

std::optional<WallTime> expiry(const Json& object) {
  const Json* kept = api::find(object, {"status", "storedWorkflowTemplateSpec"});
  const Json* ttl = kept ? api::find(*kept, {"ttlStrategy"}) : api::find(object, {"spec", "ttlStrategy"});
  const auto finished = parse_rfc3339(string_at(object, {"status", "finishedAt"}));
  if (!ttl || !finished) return std::nullopt;
  const bool good = string_at(object, {"status", "phase"}) == "Succeeded";
  auto seconds = api::int_at(*ttl, {good ? "secondsAfterSuccess" : "secondsAfterFailure"});
  if (!seconds) seconds = api::int_at(*ttl, {"secondsAfterCompletion"});
  if (!seconds) return std::nullopt;
  return *finished + std::chrono::seconds(*seconds);
}

}  // namespace ingot::pipelines
