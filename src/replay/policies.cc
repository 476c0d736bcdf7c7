#include "replay/policies.h"

#include <algorithm>

namespace ingot::replay {

using scheduler::OrderKind;
using scheduler::PlacementCost;

const std::vector<ReplayPolicy>& replay_policies() {
  static const std::vector<ReplayPolicy> kPolicies{
      {.name = "ingot",
       .what = "least expected waste; least service left first, or what is learnt of it",
       .known = OrderKind::ShortestService,
       .unknown = OrderKind::Learnt,
       .preempts = true,
       .elders = true},
      {.name = "random", .what = "any node; by age", .placement = PlacementCost::Random},
      {.name = "best-fit", .what = "the tightest node; by age", .placement = PlacementCost::BestFit},
      {.name = "fgd", .what = "least growth of fragmentation; by age", .placement = PlacementCost::Fgd},
      {.name = "fifo",
       .what = "by age, and nothing passes what does not fit",
       .placement = PlacementCost::BestFit,
       .strict = true},
      {.name = "srtf",
       .what = "shortest remaining run time; needs --known-runtimes",
       .placement = PlacementCost::BestFit,
       .known = OrderKind::ShortestTime,
       .unknown = OrderKind::Age,
       .preempts = true},
      {.name = "srsf",
       .what = "shortest remaining GPU time; needs --known-runtimes",
       .placement = PlacementCost::BestFit,
       .known = OrderKind::ShortestService,
       .unknown = OrderKind::Age,
       .preempts = true},
      {.name = "las",
       .what = "least attained GPU time, in Tiresias-L's levels",
       .placement = PlacementCost::BestFit,
       .known = OrderKind::LeastAttained,
       .unknown = OrderKind::LeastAttained,
       .preempts = true}};
  return kPolicies;
}

const ReplayPolicy* replay_policy(std::string_view name) {
  const auto found = std::ranges::find(replay_policies(), name, &ReplayPolicy::name);
  return found == replay_policies().end() ? nullptr : &*found;
}

}  // namespace ingot::replay
