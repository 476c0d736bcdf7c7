#include "workflow/cron.h"

#include <algorithm>
#include <set>

#include "expr/program.h"
#include "expr/template.h"
#include "expr/when.h"
#include "workflow/run.h"
#include "workflow/schedule.h"
#include "workflow/values.h"

namespace ingot::workflow {

using api::array_at;
using api::bool_at;
using api::find;
using api::int_at;
using api::object_at;
using api::string_at;

namespace {

constexpr std::string_view kLastUsed = "cronworkflows.argoproj.io/last-used-schedule";
constexpr std::string_view kCompleted = "workflows.argoproj.io/cron-workflow-completed";
constexpr std::string_view kScheduled = "workflows.argoproj.io/scheduled-time";
constexpr std::string_view kHandedOn[] = {
    "workflows.argoproj.io/creator", "workflows.argoproj.io/creator-email",
    "workflows.argoproj.io/creator-preferred-username", "workflows.argoproj.io/controller-instanceid"};
constexpr size_t kLongestName = 52;  // so that a child's fits 63
constexpr size_t kMostSchedules = 10;

std::optional<Zone> zone_of(const Json& cron) {
  const std::string_view name = string_at(cron, {"spec", "timezone"});
  if (name == "Local") return Zone();
  return name.empty() ? std::nullopt : Zone::find(name);
}

// Those that can be read.
std::vector<Schedule> schedules_of(const Json& cron) {
  std::vector<Schedule> out;
  for (const Json& text : array_at(cron, {"spec", "schedules"}))
    if (auto read = Schedule::parse(string_at(text, {}), zone_of(cron))) out.push_back(*std::move(read));
  return out;
}

std::optional<WallTime> time_at(const Json& json, std::initializer_list<std::string_view> path) {
  return parse_rfc3339(string_at(json, path));
}

JsonObject variables(const Json& cron) {
  const std::string prefix = "cronworkflow.";
  const auto text = [&](std::string_view field) { return text_json(string_at(cron, {"metadata", field})); };
  JsonObject out;
  out[prefix + "name"] = text("name");
  out[prefix + "namespace"] = text("namespace");
  const JsonObject &labels = object_at(cron, {"metadata", "labels"}),
                   &annotations = object_at(cron, {"metadata", "annotations"});
  out[prefix + "labels.json"] = text_json(api::to_text(labels));
  out[prefix + "annotations.json"] = text_json(api::to_text(annotations));
  for (const auto& [name, value] : labels) out[prefix + "labels." + std::string(name)] = value;
  for (const auto& [name, value] : annotations) out[prefix + "annotations." + std::string(name)] = value;
  out[prefix + "failed"] = int_at(cron, {"status", "failed"}).value_or(0);
  out[prefix + "succeeded"] = int_at(cron, {"status", "succeeded"}).value_or(0);
  const auto last = time_at(cron, {"status", "lastScheduledTime"});
  out[prefix + "lastScheduledTime"] = last ? expr::time_value(*last) : Json(nullptr);
  return out;
}

Or<bool> stops(const Json& cron, WallTime now) {
  const std::string_view text = string_at(cron, {"spec", "stopStrategy", "expression"});
  if (text.empty()) return false;
  const auto program = expr::Program::compile(text);
  if (!program) return std::unexpected(program.error());
  int64_t steps = kFillSteps;
  const auto value = program->run(expr::Variables(variables(cron)).nested(), steps, {now});
  if (!value) return std::unexpected(value.error());
  if (!value->is_bool()) return std::unexpected("\"" + std::string(text) + "\" is not true or false");
  return value->get_bool();
}

Or<bool> wanted(const Json& cron, WallTime now) {
  const std::string_view text = string_at(cron, {"spec", "when"});
  if (text.empty()) return true;
  const auto compiled = expr::Template::compile(text);
  if (!compiled) return std::unexpected(compiled.error());
  int64_t steps = kFillSteps;
  const auto filled = compiled->fill(expr::Variables(variables(cron)), steps, {.surroundings = {now}});
  if (!filled) return std::unexpected(filled.error().message);
  return expr::when(*filled);
}

void set_condition(Json& cron, std::string_view type, const std::string* message) {
  JsonArray kept;
  for (const Json& c : array_at(cron, {"status", "conditions"}))
    if (string_at(c, {"type"}) != type) kept.push_back(c);
  if (message)
    kept.push_back(
        JsonObject{{"type", text_json(type)}, {"status", "True"}, {"message", text_json(*message)}});
  if (!kept.empty())
    api::set(cron, {"status", "conditions"}, std::move(kept));
  else
    api::erase(cron, {"status", "conditions"});
}

void count(Json& cron, std::string_view field) {
  api::set(cron, {"status", field}, int_at(cron, {"status", field}).value_or(0) + 1);
}

Json reference(const Json& cron, std::string_view name, std::string_view uid, std::string_view version) {
  return JsonObject{{"apiVersion", "argoproj.io/v1alpha1"},
                    {"kind", "Workflow"},
                    {"name", text_json(name)},
                    {"namespace", text_json(string_at(cron, {"metadata", "namespace"}))},
                    {"uid", text_json(uid)},
                    {"resourceVersion", text_json(version)}};
}

bool is_over(const CronChild& c) {
  return c.phase == "Succeeded" || c.phase == "Failed" || c.phase == "Error";
}

void stop_if_so(Json& cron, WallTime now) {
  const Or<bool> enough = stops(cron, now);
  if (!enough) {
    const std::string why = "failed to check CronWorkflow '" +
                            std::string(string_at(cron, {"metadata", "name"})) +
                            "' stopping condition: " + enough.error();
    return set_condition(cron, "SpecError", &why);
  }
  if (!*enough) return;
  api::set(cron, {"status", "phase"}, "Stopped");
  api::set(cron, {"metadata", "labels", kCompleted}, "true");
}

// Children that began or ended since: who is active, and how many went well.
void count_children(Json& cron, const std::vector<CronChild>& children, WallTime now) {
  JsonArray active;
  bool changed = false, counted = false;
  for (const Json& ref : array_at(cron, {"status", "active"})) {
    const auto child = std::ranges::find(children, string_at(ref, {"uid"}), &CronChild::uid);
    if (child != children.end() && !is_over(*child)) {
      active.push_back(ref);
      continue;
    }
    changed = true;
    if (child == children.end()) continue;
    count(cron, child->phase == "Succeeded" ? "succeeded" : "failed");
    counted = true;
  }
  std::set<std::string, std::less<>> known;
  for (const Json& ref : active) known.emplace(string_at(ref, {"uid"}));
  for (const CronChild& c : children) {
    if (is_over(c) || known.contains(c.uid)) continue;
    active.push_back(reference(cron, c.name, c.uid, c.resource_version));
    changed = true;
  }
  if (!changed) return;
  if (active.empty())
    api::erase(cron, {"status", "active"});
  else
    api::set(cron, {"status", "active"}, std::move(active));
  if (counted) stop_if_so(cron, now);
}

// Of those that ended, the ones that ended first go.
void forget_old(CronPlan& plan, const Json& cron, const std::vector<CronChild>& children) {
  const auto keep = [&](bool good, std::string_view field, int64_t otherwise) {
    std::vector<const CronChild*> ended;
    for (const CronChild& c : children)
      if (is_over(c) && (c.phase == "Succeeded") == good) ended.push_back(&c);
    const int64_t limit = int_at(cron, {"spec", field}).value_or(otherwise);
    const size_t kept = limit < 0 ? size_t(otherwise) : size_t(limit);
    std::ranges::sort(ended, std::greater(),
                      [](const CronChild* c) { return std::pair(c->finished, std::string_view(c->name)); });
    for (size_t i = kept; i < ended.size(); ++i) plan.erase.push_back(ended[i]->name);
  };
  keep(true, "successfulJobsHistoryLimit", 3);
  keep(false, "failedJobsHistoryLimit", 1);
}

// The first of the times that are due, of each schedule the last.
std::optional<WallTime> due(CronPlan& plan, const Json& cron, WallTime since, WallTime now) {
  const auto last = time_at(cron, {"status", "lastScheduledTime"});
  const auto created = time_at(cron, {"metadata", "creationTimestamp"}).value_or(since);
  const WallTime anchor = last.value_or(created), from = std::max(since, last.value_or(since));
  const bool changed = string_at(cron, {"metadata", "annotations", kLastUsed}) != schedules_text(cron);
  const auto deadline = int_at(cron, {"spec", "startingDeadlineSeconds"});
  std::optional<WallTime> missed_after;
  if (last && deadline && !changed) {
    constexpr int64_t kLongest = 10LL * 365 * 24 * 3600;
    missed_after = std::max(*last, now - std::chrono::seconds(std::clamp(*deadline, int64_t(0), kLongest)));
  }
  std::optional<WallTime> found;
  for (const Schedule& schedule : schedules_of(cron)) {
    auto at = schedule.latest(from, now, anchor);
    if (!at && missed_after) at = schedule.latest(*missed_after, now, anchor);
    if (at && (!found || *at < *found)) found = at;
    const auto next = schedule.next(now, anchor);
    if (next && (!plan.wake || *next < *plan.wake)) plan.wake = next;
  }
  return found;
}

}  // namespace

std::string schedules_text(const Json& cron) {
  const std::string_view zone = string_at(cron, {"spec", "timezone"});
  std::string out;
  for (const Json& text : array_at(cron, {"spec", "schedules"})) {
    if (!out.empty()) out += ",";
    if (!zone.empty()) out += "CRON_TZ=" + std::string(zone) + " ";
    out += string_at(text, {});
  }
  return out;
}

std::optional<FieldProblem> check_cron(const Json& cron) {
  const std::string_view name = string_at(cron, {"metadata", "name"});
  if (name.size() > kLongestName)
    return FieldProblem{"metadata.name", "must not be longer than " + std::to_string(kLongestName) +
                                             " characters, for the Workflows it makes have a time after it"};
  const std::string_view zone = string_at(cron, {"spec", "timezone"});
  if (!zone.empty() && !zone_of(cron))
    return FieldProblem{"spec.timezone",
                        "unknown time zone \"" + std::string(zone) +
                            "\"; names are those of the IANA database, such as Europe/Berlin"};
  const JsonArray& schedules = array_at(cron, {"spec", "schedules"});
  if (schedules.empty()) return FieldProblem{"spec.schedules", "at least one schedule is required"};
  if (schedules.size() > kMostSchedules)
    return FieldProblem{"spec.schedules", "more than " + std::to_string(kMostSchedules) + " schedules"};
  for (size_t i = 0; i < schedules.size(); ++i) {
    const std::string_view text = string_at(schedules[i], {});
    if (const auto read = Schedule::parse(text, zone_of(cron)); !read)
      return FieldProblem{"spec.schedules[" + std::to_string(i) + "]",
                          "cron schedule \"" + std::string(text) + "\" is malformed: " + read.error()};
  }
  const std::string_view policy = string_at(cron, {"spec", "concurrencyPolicy"});
  if (!policy.empty() && policy != "Allow" && policy != "Forbid" && policy != "Replace")
    return FieldProblem{"spec.concurrencyPolicy",
                        "\"" + std::string(policy) + "\" is not one of Allow, Forbid, Replace"};
  if (int_at(cron, {"spec", "startingDeadlineSeconds"}).value_or(0) < 0)
    return FieldProblem{"spec.startingDeadlineSeconds", "must not be negative"};
  if (const auto text = string_at(cron, {"spec", "when"}); !text.empty())
    if (const auto compiled = expr::Template::compile(text); !compiled)
      return FieldProblem{"spec.when", compiled.error()};
  if (find(cron, {"spec", "stopStrategy"})) {
    const auto compiled = expr::Program::compile(string_at(cron, {"spec", "stopStrategy", "expression"}));
    if (!compiled) return FieldProblem{"spec.stopStrategy.expression", compiled.error()};
  }
  const Json* workflow = find(cron, {"spec", "workflowSpec"});
  if (!workflow || !workflow->is_object()) return FieldProblem{"spec.workflowSpec", "is required"};
  return std::nullopt;
}

std::string child_name(const Json& cron, WallTime scheduled) {
  return std::string(string_at(cron, {"metadata", "name"})) + "-" +
         std::to_string(std::chrono::floor<std::chrono::seconds>(scheduled.time_since_epoch()).count());
}

Json child_of(const Json& cron, WallTime scheduled) {
  JsonObject labels, annotations;
  for (const std::string_view name : kHandedOn)
    if (const Json* value = find(cron, {"metadata", "labels", name})) labels[name] = *value;
  labels[kCronLabel] = text_json(string_at(cron, {"metadata", "name"}));
  annotations[kScheduled] = text_json(to_rfc3339(scheduled));
  for (const auto& [name, value] : object_at(cron, {"spec", "workflowMetadata", "labels"}))
    labels[name] = value;
  for (const auto& [name, value] : object_at(cron, {"spec", "workflowMetadata", "annotations"}))
    annotations[name] = value;
  JsonObject metadata{{"namespace", text_json(string_at(cron, {"metadata", "namespace"}))},
                      {"labels", std::move(labels)},
                      {"annotations", std::move(annotations)}};
  if (const auto& finalizers = array_at(cron, {"spec", "workflowMetadata", "finalizers"});
      !finalizers.empty())
    metadata["finalizers"] = finalizers;
  metadata["ownerReferences"] =
      JsonArray{JsonObject{{"apiVersion", "argoproj.io/v1alpha1"},
                           {"kind", "CronWorkflow"},
                           {"name", text_json(string_at(cron, {"metadata", "name"}))},
                           {"uid", text_json(string_at(cron, {"metadata", "uid"}))},
                           {"controller", true},
                           {"blockOwnerDeletion", true}}};
  const Json* spec = find(cron, {"spec", "workflowSpec"});
  return JsonObject{{"apiVersion", "argoproj.io/v1alpha1"},
                    {"kind", "Workflow"},
                    {"metadata", std::move(metadata)},
                    {"spec", spec ? *spec : Json(JsonObject{})}};
}

CronPlan decide(Json& cron, const std::vector<CronChild>& children, WallTime since, WallTime now) {
  CronPlan plan;
  count_children(cron, children, now);
  forget_old(plan, cron, children);
  if (string_at(cron, {"status", "phase"}) == "Stopped") return plan;
  const auto at = due(plan, cron, since, now);
  if (!at) return plan;
  plan.decided = at;
  if (*at > since) plan.wake = now;  // another may be due as well
  api::set(cron, {"metadata", "annotations", kLastUsed}, schedules_text(cron));
  stop_if_so(cron, now);
  if (string_at(cron, {"status", "phase"}) == "Stopped" || bool_at(cron, {"spec", "suspend"})) return plan;
  const Or<bool> proceed = wanted(cron, now);
  if (!proceed) {
    note_not_started(cron, *at, "SubmissionError", "run policy error: " + proceed.error());
    return plan;
  }
  const std::string_view policy = string_at(cron, {"spec", "concurrencyPolicy"});
  const JsonArray& active = array_at(cron, {"status", "active"});
  if (!*proceed || (policy == "Forbid" && !active.empty())) return plan;
  if (policy == "Replace")
    for (const Json& ref : active) plan.terminate.emplace_back(string_at(ref, {"name"}));
  plan.start = at;
  return plan;
}

void note_started(Json& cron, const Json& child, WallTime scheduled) {
  JsonArray active = array_at(cron, {"status", "active"});
  active.push_back(reference(cron, string_at(child, {"metadata", "name"}),
                             string_at(child, {"metadata", "uid"}),
                             string_at(child, {"metadata", "resourceVersion"})));
  api::set(cron, {"status", "active"}, std::move(active));
  api::set(cron, {"status", "phase"}, "Active");
  api::set(cron, {"status", "lastScheduledTime"}, to_rfc3339(scheduled));
  set_condition(cron, "SubmissionError", nullptr);
  set_condition(cron, "SpecError", nullptr);
}

void note_not_started(Json& cron, WallTime scheduled, std::string_view type, const std::string& why) {
  api::set(cron, {"status", "lastScheduledTime"}, to_rfc3339(scheduled));
  set_condition(cron, type, &why);
  if (type == "SubmissionError") count(cron, "failed");
}

}  // namespace ingot::workflow
