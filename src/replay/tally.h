// What happens in a replay, added up: waits, completion times, shares by day, the state over time.
// Thread rule: one thread at a time. Invariants: calls come in the order of time; memory is bounded by the jobs, the
// days and kSamples. Internal to the room.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "replay/replay.h"

namespace ingot::replay {

class Tally {
 public:
  static constexpr size_t kSamples = 800;

  Tally(const std::vector<TraceJob>&, const ReplayOptions&);
  void set_gpus(int64_t gpus) { gpus_ = gpus; }
  const std::vector<std::string>& tenants() const { return names_; }  // of the jobs, by name
  const std::string& tenant(size_t job) const { return names_[of_[job]]; }
  std::string queue(size_t job) const;  // "": its tenant's own leaf

  void advance(WallTime now, const scheduler::Model&);  // before what happens now
  void arrived(size_t job, WallTime);
  void started(size_t job, WallTime);
  void preempted(size_t job, WallTime);
  void ended(size_t job, WallTime);
  size_t ended() const { return ended_; }
  ReplayResult result() const;

 private:
  struct Day {
    double held = 0, due = 0;  // GPU-seconds
  };
  struct Tenant {
    double weight = 1;
    double running = 0, waiting = 0;  // GPUs
    double gpu_s = 0;
    std::vector<Day> days;
  };
  double gpus_of(size_t job) const;
  void sample(double until_s, const scheduler::Model&);
  void integrate(Tenant&, double from_s, double to_s) const;
  TenantOutcome outcome(size_t tenant) const;

  const std::vector<TraceJob>& trace_;
  const ReplayOptions& options_;
  std::vector<std::string> names_;
  std::vector<size_t> of_;  // by job, its tenant
  std::vector<Tenant> tenants_;
  std::vector<JobOutcome> jobs_;
  std::vector<double> since_s_;  // by job: it runs, or waits
  std::optional<scheduler::Typical> typical_;
  std::vector<Sample> samples_;
  int64_t gpus_ = 0, running_ = 0, waiting_ = 0;
  double weights_ = 0, busy_gpus_ = 0, gpu_s_ = 0;
  double at_s_ = 0, next_s_ = 0, step_s_ = 0;
  size_t ended_ = 0, preemptions_ = 0;
};

}  // namespace ingot::replay
