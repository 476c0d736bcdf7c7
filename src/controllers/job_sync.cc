#include "controllers/job_sync.h"

#include <algorithm>
#include <set>

#include "api/job.h"
#include "controllers/events.h"
#include "controllers/job_gang.h"

namespace ingot::controllers {
namespace {

constexpr int64_t kMaxCreations = 100;  // of a plan, to keep turns short
constexpr size_t kMaxCounted = 400;

int64_t status_number(const Json& job, std::string_view field) {
  return std::max<int64_t>(0, api::int_at(job, {"status", field}).value_or(0));
}

}  // namespace

bool set_job_condition(Json& job, std::string_view type, bool status, std::string_view reason,
                       std::string_view message, WallTime now) {
  const std::string_view text = status ? "True" : "False";
  JsonArray conditions = api::array_at(job, {"status", "conditions"});
  auto found =
      std::ranges::find_if(conditions, [&](const Json& c) { return api::string_at(c, {"type"}) == type; });
  if (found == conditions.end() && !status) return false;
  if (found != conditions.end() && api::string_at(*found, {"status"}) == text) return false;
  const Json condition = {{"type", type},
                          {"status", text},
                          {"reason", reason},
                          {"message", message},
                          {"lastProbeTime", to_rfc3339(now)},
                          {"lastTransitionTime", to_rfc3339(now)}};
  if (found == conditions.end()) {
    conditions.push_back(condition);
  } else {
    *found = condition;
  }
  api::set(job, {"status", "conditions"}, std::move(conditions));
  return true;
}

const Json* true_job_condition(const Json& job, std::string_view type) {
  for (const Json& c : api::array_at(job, {"status", "conditions"}))
    if (api::string_at(c, {"type"}) == type && api::string_at(c, {"status"}) == "True") return &c;
  return nullptr;
}

JobSync::JobSync(const Snapshot& in, const ObjectPtr& job, Json json, const Json* namespace_object,
                 WallTime now)
    : in_(in),
      stored_(job),
      before_(json),
      job_(std::move(json)),
      namespace_(namespace_object),
      now_(now),
      spec_(read_job_spec(job_)),
      pods_(read_job_pods(in, api::string_at(job_, {"metadata", "uid"}), spec_)) {}

Plan JobSync::run() && {
  api::complete_job(job_);
  start();
  count();
  std::optional<Outcome> outcome = judge();
  if (outcome) {
    stop_active();
  } else {
    scale();
    if (completed()) {
      outcome = Outcome{false, "CompletionsReached", "Reached expected number of succeeded pods"};
    } else {
      suspend_condition();
    }
  }
  if (outcome) finish(*outcome);
  write();
  return std::move(plan_);
}

void JobSync::start() {
  if (!spec_.suspend && api::string_at(job_, {"status", "startTime"}).empty())
    api::set(job_, {"status", "startTime"}, to_rfc3339(now_));
}

void JobSync::count() {
  const int64_t end = spec_.completions.value_or(0);
  if (spec_.indexed) completed_ = IndexSet::parse(api::string_at(job_, {"status", "completedIndexes"}), end);
  succeeded_ = status_number(job_, "succeeded");
  failed_ = status_number(job_, "failed");
  size_t counted = 0;
  for (JobPod& pod : pods_) {
    if (!pod.tracked || pod.state == JobPod::State::Active) continue;
    if (counted == kMaxCounted) {
      uncounted_left_ = plan_.again = true;
      break;
    }
    ++counted;
    pod.strip = true;
    const bool known_index = !spec_.indexed || (pod.index && *pod.index < end);
    if (!known_index) continue;
    if (pod.state == JobPod::State::Failed) {
      if (!pod.disrupted) ++failed_;
    } else if (spec_.indexed) {
      completed_.add(*pod.index);
    } else {
      ++succeeded_;
    }
  }
  if (spec_.indexed) succeeded_ = completed_.size();
}

std::optional<JobSync::Outcome> JobSync::earlier_judgement() const {
  for (std::string_view type : {"SuccessCriteriaMet", "FailureTarget"})
    if (const Json* c = true_job_condition(job_, type))
      return Outcome{type == "FailureTarget", std::string(api::string_at(*c, {"reason"})),
                     std::string(api::string_at(*c, {"message"}))};
  return std::nullopt;
}

std::optional<JobSync::Outcome> JobSync::judge() {
  if (auto earlier = earlier_judgement()) return earlier;
  if (failed_ > spec_.backoff_limit || restarted_too_often())
    return Outcome{true, "BackoffLimitExceeded", "Job has reached the specified backoff limit"};
  const auto started = parse_rfc3339(api::string_at(job_, {"status", "startTime"}));
  if (spec_.active_deadline_s && !spec_.suspend && started) {
    const Duration left = *started + std::chrono::seconds(*spec_.active_deadline_s) - now_;
    if (left <= Duration{})
      return Outcome{true, "DeadlineExceeded", "Job was active longer than specified deadline"};
    plan_.revisit(left);
  }
  return std::nullopt;
}

bool JobSync::restarted_too_often() const {
  if (!spec_.restarts_in_place) return false;
  int64_t restarts = 0;
  for (const JobPod& pod : pods_)
    if (pod.state == JobPod::State::Active) restarts += pod.restarts;
  return spec_.backoff_limit == 0 ? restarts > 0 : restarts >= spec_.backoff_limit;
}

// Pods stopped because the job is over still count: they keep their finalizer until they have ended.
void JobSync::stop_active() {
  for (JobPod& pod : pods_) {
    if (pod.state != JobPod::State::Active || pod.terminating) continue;
    pod.remove = true;
  }
}

void JobSync::scale() {
  if (spec_.suspend) return remove_surplus(active());
  int64_t wanted = spec_.parallelism;
  if (spec_.completions) {
    wanted = std::clamp<int64_t>(*spec_.completions - succeeded_, 0, spec_.parallelism);
  } else if (succeeded_ > 0) {
    wanted = active();
  }
  remove_surplus(active() - wanted);
  const bool removing = std::ranges::any_of(pods_, [](const JobPod& p) { return p.remove; });
  if (removing) {
    plan_.again = true;
    return;
  }
  if (auto gang = gang_of_job(job_, spec_); gang && namespace_) {
    // Those that succeeded count while they are there; of others no more come than are wanted still.
    const auto succeeded =
        std::ranges::count_if(pods_, [](const JobPod& p) { return p.state == JobPod::State::Succeeded; });
    gang->least = std::clamp<int64_t>(gang->least, 1, std::max<int64_t>(1, wanted + succeeded));
    write_group(plan_, in_, job_, *gang);
  }
  const int64_t missing = wanted - active() - (spec_.only_replace_failed ? terminating() : 0);
  if (missing > 0) create(missing);
}

// Surplus pods are nobody's failure: they lose their finalizer without being counted. Those that have come least far
// go first; of an indexed job, also every second pod of an index and every pod of an index it does not have.
void JobSync::remove_surplus(int64_t surplus) {
  std::vector<JobPod*> candidates;
  for (JobPod& pod : pods_)
    if (pod.state == JobPod::State::Active && !pod.terminating) candidates.push_back(&pod);
  auto drop = [&](JobPod& pod) {
    pod.strip = pod.remove = true;
    event("Normal", "SuccessfulDelete", "Deleted pod: " + std::string(pod.object->key.name()));
  };
  if (spec_.indexed) {
    std::set<int64_t> seen;
    for (JobPod* pod : candidates) {
      const bool wanted = pod->index && *pod->index < *spec_.completions &&
                          !completed_.contains(*pod->index) && seen.insert(*pod->index).second;
      if (wanted) continue;
      drop(*pod);
      --surplus;
    }
    std::erase_if(candidates, [](const JobPod* p) { return p->remove; });
    std::ranges::sort(candidates, std::greater(), [](const JobPod* p) { return *p->index; });
  } else {
    auto progress = [](const JobPod* p) {
      const bool bound = !api::string_at(p->json, {"spec", "nodeName"}).empty();
      const bool running = api::string_at(p->json, {"status", "phase"}) == "Running";
      return std::pair(int(bound) + int(running) + int(p->ready), p->object->key);
    };
    std::ranges::sort(candidates, std::less(), progress);
  }
  for (JobPod* pod : candidates) {
    if (surplus-- <= 0) break;
    drop(*pod);
  }
}

void JobSync::create(int64_t missing) {
  if (!namespace_) return;
  if (const Duration pause = creation_backoff(pods_, now_); pause > Duration{}) return plan_.revisit(pause);
  if (missing > kMaxCreations) plan_.again = true;
  missing = std::min(missing, kMaxCreations);

  const Result<Json> pod = make_job_pod(in_, job_, *namespace_, spec_.indexed);
  if (!pod) {
    const int64_t times =
        record(plan_, in_, job_,
               {"Warning", "FailedCreate", "Error creating: " + pod.error().message, "job-controller"}, now_);
    plan_.again = false;
    return plan_.revisit(std::chrono::seconds(1) * (int64_t(1) << std::min<int64_t>(times, 8)));
  }
  std::set<int64_t> taken;
  for (const JobPod& p : pods_)
    if (p.index && (p.state == JobPod::State::Active || (spec_.only_replace_failed && p.terminating)))
      taken.insert(*p.index);
  int64_t next = 0;
  for (int64_t i = 0; i < missing; ++i) {
    std::optional<int64_t> index;
    if (spec_.indexed) {
      for (next = completed_.gap(next); taken.contains(next); next = completed_.gap(next + 1)) {
      }
      if (next >= *spec_.completions) break;
      index = next++;
    }
    Json named =
        name_job_pod(in_, job_, *pod, index, (stored_->revision.value << 20) + (uint64_t(i) << 8) + 1);
    event("Normal", "SuccessfulCreate",
          "Created pod: " + std::string(api::string_at(named, {"metadata", "name"})));
    plan_.create(in_, "pods", std::move(named));
    ++created_;
  }
}

bool JobSync::completed() const {
  if (uncounted_left_ || active() > 0) return false;
  return spec_.completions ? succeeded_ >= *spec_.completions : succeeded_ > 0;
}

void JobSync::suspend_condition() {
  if (spec_.suspend) {
    if (!set_job_condition(job_, "Suspended", true, "JobSuspended", "Job suspended", now_)) return;
    api::erase(job_, {"status", "startTime"});
    event("Normal", "Suspended", "Job suspended");
  } else if (set_job_condition(job_, "Suspended", false, "JobResumed", "Job resumed", now_)) {
    // A deadline counts the time since the job runs again.
    api::set(job_, {"status", "startTime"}, to_rfc3339(now_));
    if (spec_.active_deadline_s) plan_.revisit(std::chrono::seconds(*spec_.active_deadline_s));
    event("Normal", "Resumed", "Job resumed");
  }
}

// First the judgement alone; the final condition once no pod of the job runs or is uncounted.
void JobSync::finish(const Outcome& outcome) {
  set_job_condition(job_, outcome.failed ? "FailureTarget" : "SuccessCriteriaMet", true, outcome.reason,
                    outcome.message, now_);
  const bool running = std::ranges::any_of(
      pods_, [](const JobPod& p) { return p.terminating || (p.state == JobPod::State::Active && p.remove); });
  if (running || uncounted_left_) return;
  set_job_condition(job_, outcome.failed ? "Failed" : "Complete", true, outcome.reason, outcome.message,
                    now_);
  if (outcome.failed) return event("Warning", outcome.reason, outcome.message);
  api::set(job_, {"status", "completionTime"}, to_rfc3339(now_));
  event("Normal", "Completed", "Job completed");
}

void JobSync::write() {
  auto set_number = [&](std::string_view field, int64_t value) {
    if (value != 0 || api::find(job_, {"status", field})) api::set(job_, {"status", field}, value);
  };
  const auto ready = std::ranges::count_if(pods_, [](const JobPod& p) { return p.ready && !p.remove; });
  set_number("active", active());
  set_number("succeeded", succeeded_);
  set_number("failed", failed_);
  api::set(job_, {"status", "ready"}, int64_t(ready));
  api::set(job_, {"status", "terminating"}, terminating());
  if (spec_.indexed && succeeded_ > 0) api::set(job_, {"status", "completedIndexes"}, completed_.text());

  std::vector<Write> others = std::exchange(plan_.writes, {});
  if (job_ != before_) plan_.update(stored_, job_);
  write_job_pods(plan_, pods_, now_);
  std::ranges::move(others, std::back_inserter(plan_.writes));
}

int64_t JobSync::active() const {
  return created_ + std::ranges::count_if(pods_, [](const JobPod& p) {
           return p.state == JobPod::State::Active && !p.terminating && !p.remove;
         });
}
int64_t JobSync::terminating() const {
  return std::ranges::count_if(pods_, [](const JobPod& p) { return p.terminating; });
}
void JobSync::event(std::string_view type, std::string_view reason, std::string message) {
  record(plan_, in_, job_, {type, reason, std::move(message), "job-controller"}, now_);
}

}  // namespace ingot::controllers
