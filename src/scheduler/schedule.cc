#include "scheduler/schedule.h"

#include "scheduler/pass.h"

namespace ingot::scheduler {

Placements Pass::run() {
  checks_start_ = m_.checks_;
  m_.queues_.advance(now_);
  rank_units();
  settle_reservations();
  place();
  checks_placed_ = m_.checks_;
  reserve();
  if (policy_.explain) explain_waiting();
  return std::move(out_);
}

Placements schedule(Model& model, const Policy& policy, WallTime now) {
  model.set_costs(policy.placement, policy.seed);
  return Pass(model, policy, now).run();
}

}  // namespace ingot::scheduler
