// A CronWorkflow: what is wrong with its text, and what is to be done about it now. Pure; any thread.
// Source: Argo Workflows 4.0, workflow/cron/operator.go and controller.go, workflow/validate, docs/cron-workflows.md.
//
// A child's name is the CronWorkflow's and the time it was due, so that one is made for each time, whatever happens.
#pragma once

#include <vector>

#include "base/time.h"
#include "workflow/flow.h"

namespace ingot::workflow {

inline constexpr std::string_view kCronWorkflows = "cronworkflows.argoproj.io";
inline constexpr std::string_view kCronLabel = "workflows.argoproj.io/cron-workflow";

struct FieldProblem {
  std::string field, message;
};
// What is wrong beside the workflow's own text, which is check()'s in workflow/reading.h.
std::optional<FieldProblem> check_cron(const Json& cron);
// The Workflow that it makes, without a name.
Json child_of(const Json& cron, WallTime scheduled);
std::string child_name(const Json& cron, WallTime scheduled);

// One that it made, or that says so by its owner.
struct CronChild {
  std::string name, uid, resource_version, phase;
  WallTime finished{};
};

struct CronPlan {
  std::optional<WallTime> start;       // a child is to be made for this time
  std::vector<std::string> terminate;  // children that give way to it
  std::vector<std::string> erase;      // more of them than are kept
  std::optional<WallTime> decided;     // what was due until then was decided upon
  std::optional<WallTime> wake;        // when to ask again
};

// Brings the status of `cron` up to date. `since`: from when on what is due was waited for; what was due before that and
// after the last time is started only within startingDeadlineSeconds.
CronPlan decide(Json& cron, const std::vector<CronChild>&, WallTime since, WallTime now);
// What came of a start: a time that is used up, either way. `child`: as it is stored. `type`: SpecError, SubmissionError.
void note_started(Json& cron, const Json& child, WallTime scheduled);
void note_not_started(Json& cron, WallTime scheduled, std::string_view type, const std::string& why);
// "*/5 * * * *,0 0 * * *" with the time zone before each: what the annotation last-used-schedule keeps.
std::string schedules_text(const Json& cron);

}  // namespace ingot::workflow
