// Places pods: keeps the scheduler's model up to date from the shard, runs a pass in a turn when something changed, and
// in the same turn writes what it decided: the Allocation in `root` together with the pod's spec.nodeName, and for who
// waits the condition PodScheduled=False and an Event with the reason.
//
// Thread rule: the loop. Invariants: nobody else writes Allocations' creation or spec.nodeName, so an open Allocation
// is in the model before its device can be given again; a gang's bindings are one turn's writes; all state can be read
// again from the objects.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "controllers/budget_view.h"
#include "controllers/gatekeeper.h"
#include "controllers/placement_story.h"
#include "env/env.h"
#include "scheduler/forecast.h"
#include "scheduler/schedule.h"
#include "store/shard.h"

namespace ingot::controllers {

struct PlacementOptions {
  scheduler::Policy policy{.max_units = 6};
  size_t reasons_per_turn = 128;                     // conditions rewritten in one turn
  Duration reason_every = std::chrono::seconds(10);  // how often one pod's reason may change, while few wait
};

// Upper ends, in seconds; one more count is for what took longer.
inline constexpr std::array<double, 9> kPassBuckets{0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1};

struct PlacementStats {
  size_t waiting = 0;  // pods
  uint64_t passes = 0, bound = 0, evicted = 0, refused = 0,
           rejected = 0;  // refused: reasons written; rejected: pod had changed
  std::array<uint64_t, kPassBuckets.size() + 1> pass_took{};  // passes, by how long they took to decide
  double pass_seconds = 0;                                    // all of them
};

class Placement {
 public:
  Placement(env::Env&, store::Shard&, PlacementOptions = {});
  ~Placement();
  PlacementStats stats() const;
  // placement_story.h
  Result<api::Json> explain(const store::Turn&, const api::Key& pod, bool everyone);
  api::JsonArray queues(const store::Turn&, std::string_view tenant);
  // While many ask at once, most answers are quick ones, and who asks after hundreds of others gets none. The look-up is for what is in that cluster.
  std::optional<Estimate> estimate(const ClusterId&, const api::Json& object, const Lookup&);
  std::vector<scheduler::QueueLine> queue_lines();  // as they are now
  // What gates say of a whole run; none: they are not all known yet.
  std::optional<RunJudged> judge_run(const store::Turn&, const RunAsked&);
  // Called in a turn when what gates say may be another now.
  void on_gates(std::function<void()>);
  std::vector<BudgetView> budgets() const;
  api::JsonArray budgets(const store::Turn&, std::string_view tenant, std::string_view name) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot::controllers
