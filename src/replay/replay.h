// A trace played on virtual time: jobs arrive, the live scheduler's passes place and preempt them, they end. Pure;
// any thread. The same input gives the same result.
//
// A job is one pod, or, where it asks for more GPUs than any node has, a gang of pods of a whole node each and one
// with the rest. A preemption takes no time and costs its job `preemption_cost` of work. Where run times are not
// known the scheduler is told of a job when it was submitted, how many GPUs it asks for and what it has run.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "replay/bound.h"
#include "replay/policies.h"
#include "replay/trace.h"
#include "scheduler/queues.h"

namespace ingot::replay {

struct ReplayOptions {
  const ReplayPolicy* policy = &replay_policies().front();
  bool known_runtimes = false;
  uint64_t seed = 0;  // of the random placement, and of who gets what with `tenants`
  // 0: the trace's own tenants, each as the live default has it. Else the jobs of an hour are those of one of so many
  // tenants of equal weight, each guaranteed its part of the GPUs.
  int tenants = 0;
  std::vector<scheduler::Queue> queues{};  // a tenant's queue bears its name; who has none has its own leaf
  Duration preemption_cost = std::chrono::seconds(30);
};

struct JobOutcome {
  double start_s = 0, end_s = 0;  // first start; of virtual time
  double waited_s = 0;            // not running, in all
  int preemptions = 0;
  std::string tenant;
};

struct Sample {
  double at_s = 0;
  double allocated_pct = 0, fragmented_pct = 0;  // of the GPUs
  int64_t running = 0, waiting = 0;              // jobs
};

struct TenantOutcome {
  size_t jobs = 0;
  double gpu_s = 0;
  double avg_wait_s = 0, p95_wait_s = 0, max_wait_s = 0;
  // By day: what it held ÷ the smaller of what it asked for and its fair share; -1 on days without demand.
  std::vector<double> share_by_day;
  double worst_share = 0;           // over days with demand; -1: there were none
  std::vector<double> wait_by_day;  // average, by the day of submission; -1 on days without any
};

struct ReplayResult {
  int64_t gpus = 0;
  std::vector<JobOutcome> jobs;  // in the trace's order
  std::map<std::string, TenantOutcome> tenants;
  std::vector<Sample> samples;  // evenly in time
  double avg_jct_s = 0, median_jct_s = 0, p99_jct_s = 0, avg_wait_s = 0, p95_wait_s = 0, max_wait_s = 0;
  double makespan_s = 0;   // from the first submission to the last end
  double utilization = 0;  // GPU time run ÷ GPUs × makespan
  size_t preemptions = 0, passes = 0;
  std::optional<BoundOutcome> bound;  // where the policy has elders
};

// `progress` is told the part of the jobs that ended. An error names the job that can never run, or that waits though
// nothing runs, and why.
std::expected<ReplayResult, std::string> replay(const std::vector<TraceNode>&, const std::vector<TraceJob>&,
                                                const ReplayOptions&,
                                                const std::function<void(double)>& progress = {});

// N GPUs on nodes of 8, the last one with what remains; their CPUs and memory bound nothing.
std::vector<TraceNode> plain_nodes(int64_t gpus);

}  // namespace ingot::replay
