// A Job's pods as its controller sees them, and the pods it makes. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controllers/plan.h"

namespace ingot::controllers {

inline constexpr std::string_view kTrackingFinalizer = "batch.kubernetes.io/job-tracking";
inline constexpr std::string_view kIndexKey =
    "batch.kubernetes.io/job-completion-index";  // label and annotation

struct JobSpec {
  int64_t parallelism = 1;
  std::optional<int64_t> completions;
  int64_t backoff_limit = 6;
  std::optional<int64_t> active_deadline_s, ttl_s;
  bool suspend = false, indexed = false;
  bool only_replace_failed = false;  // podReplacementPolicy: Failed
  bool restarts_in_place = false;    // restartPolicy: OnFailure
};
JobSpec read_job_spec(const Json& job);

struct JobPod {
  enum class State : uint8_t { Active, Succeeded, Failed };
  ObjectPtr object;
  Json json;
  State state = State::Active;
  bool tracked = false;      // carries the finalizer: not counted yet
  bool terminating = false;  // deleted, still running
  bool ready = false;
  bool disrupted = false;  // told to go by the factory, not by its own fault
  std::optional<int64_t> index;
  int64_t restarts = 0;
  WallTime finished{};  // of pods that are not Active
  // What this plan does to it.
  bool strip = false, remove = false;
};
// The pods whose controller is the job with this uid, in key order.
std::vector<JobPod> read_job_pods(const Snapshot&, std::string_view job_uid, const JobSpec&);
// Writes `strip` and `remove` of each pod as at most one write.
void write_job_pods(Plan&, const std::vector<JobPod>&, WallTime now);

// What makes an object the job's.
Json owner_reference(const Json& job);

// How long to wait with new pods after the failures since the last success; 0 = not at all
// (10 s, doubling, at most 6 min).
Duration creation_backoff(const std::vector<JobPod>&, WallTime now);

// A pod of the job, admitted but for its name; an error says why no pod of this template may be.
Result<Json> make_job_pod(const Snapshot&, const Json& job, const Json& namespace_object, bool indexed);
// `pod` with its name and, for an indexed job, its index.
Json name_job_pod(const Snapshot&, const Json& job, Json pod, std::optional<int64_t> index, uint64_t salt);

}  // namespace ingot::controllers
