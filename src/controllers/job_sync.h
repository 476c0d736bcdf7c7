// One look at one unfinished Job: count what ended, judge, stop or start pods, write the status. Pure.
//
// Every pod a Job makes carries the finalizer batch.kubernetes.io/job-tracking; it is taken off in the same plan that
// adds the pod to the status. As a plan is one transaction, a pod is counted exactly once whatever crashes or is
// deleted in between, and upstream's uncountedTerminatedPods is not needed.
#pragma once

#include <optional>
#include <string>

#include "controllers/index_set.h"
#include "controllers/job_pods.h"

namespace ingot::controllers {

class JobSync {
 public:
  JobSync(const Snapshot&, const ObjectPtr& job, Json json, const Json* namespace_object, WallTime now);
  Plan run() &&;

 private:
  struct Outcome {
    bool failed = false;
    std::string reason, message;
  };

  void start();
  void count();
  std::optional<Outcome> judge();
  std::optional<Outcome> earlier_judgement() const;
  bool restarted_too_often() const;
  void stop_active();
  void scale();
  void remove_surplus(int64_t surplus);
  void create(int64_t wanted);
  bool completed() const;
  void suspend_condition();
  void finish(const Outcome&);
  void write();

  int64_t active() const;
  int64_t terminating() const;
  void event(std::string_view type, std::string_view reason, std::string message);

  const Snapshot& in_;
  const ObjectPtr& stored_;
  const Json before_;
  Json job_;
  const Json* const namespace_;  // nullptr: it ends or is gone, nothing may be made in it
  const WallTime now_;
  const JobSpec spec_;
  std::vector<JobPod> pods_;
  IndexSet completed_;
  int64_t succeeded_ = 0, failed_ = 0, created_ = 0;
  bool uncounted_left_ = false;
  Plan plan_;
};

// Job conditions. True when the condition was not there with this status before.
bool set_job_condition(Json& job, std::string_view type, bool status, std::string_view reason,
                       std::string_view message, WallTime now);
const Json* true_job_condition(const Json& job, std::string_view type);

}  // namespace ingot::controllers
