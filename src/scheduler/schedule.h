// One pass of the scheduler: what goes where, who gives way, and why the rest waits. Pure but for the model it
// is given, in which its bindings are open allocations afterwards.
//
// Order. The tree of queues says whose turn it is (queues.h): queues below their guarantee first, then the
// smallest dominant share ÷ weight, then the oldest waiting unit. Within a queue: priority, then the rank of
// the policy's order (order.h), then age.
//
// Admission and placement are one decision: a unit counts against its queue's limits only once all of its pods
// (of an elastic gang: as many as it needs at least) have their nodes, and a try that fails is taken back whole.
//
// Making room. A unit that no free room holds may have others evicted: its queue's guarantee comes back from
// queues that borrowed it; within its queue lower priorities give way. Who is evicted cannot come back by
// evicting: queues.h and victims.h say why. Where that gives nothing, pods marked movable start again elsewhere if
// it then fits; pass_move.cc says why that ends. Until they are gone their room is kept for whom they left.
//
// A unit that does not fit is passed over, so that nothing is idle behind a large head. Against starvation
// units that have waited beyond `patience` for room (not for a limit, nor for nodes that do not exist) get
// nodes reserved, the first of each queue in the order of their turns, `max_reservations` in all. A reserved
// node is backfilled only by what cannot delay its owner: work whose run time ends before, or that leaves
// enough. Run times are deadlines, or were learnt (past_runs.h). Where they are not known, nothing else that asks for
// GPUs goes there until the owner fits, or for `hold`; then it gives the nodes back for `patience`. Who came later gives
// its reservation up where who came earlier needs it.
//
// What was learnt may be wrong. The first start that is known of a reservation is its promise. Work that runs on past what
// was expected of it moves the start, and from then on, whatever estimates say, nothing else that asks for GPUs goes
// there; `hold` counts from the promise. So a unit that fits an idle factory, once it has waited for `patience` and nobody
// waits who came before it, starts within the longest run time of what holds its nodes where deadlines say it; where run
// times are learnt, within the longest that was expected and then the longest there is; where they are not known, or
// proved eight times too short, the longest there is counts as far as it is at most `hold`.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scheduler/model.h"

namespace ingot::scheduler {

struct Policy {
  size_t max_units = 256;         // units placed in one pass
  size_t max_checks = 2'000'000;  // nodes looked at in one pass
  size_t max_preemptors = 32;     // units that room is looked for among victims in one pass
  size_t max_reservations = 8;
  Duration patience = std::chrono::minutes(5);
  Duration hold = std::chrono::minutes(30);
  PlacementCost placement = PlacementCost::Waste;
  uint64_t seed = 0;  // of the random placement
  bool preempt = true;
  bool strict = false;  // within a queue nothing passes what does not fit
  bool explain = true;  // false: nobody reads why what waits does
  // Within a queue and a priority: who runs first, the smaller the sooner, and who gives way to it. Empty: age
  // decides, and nobody gives way. `ran`: since its last start, 0 while it waits; `waited`: since it was made.
  std::function<double(const Work&, int64_t gpus, Duration ran, Duration waited)> rank;
  double rank_margin = 1.0;  // a victim's rank times this must still be the larger
  // Planted bugs for the simulation.
  bool plant_partial_gang = false;      // keeps the placed part of a gang
  bool plant_equal_preemption = false;  // equal priorities give way to each other
};

struct Binding {
  std::string unit, pod;  // ids
  std::string node;
  std::vector<Held> devices;
  std::string why;    // this node, for people
  size_t choice = 0;  // of the pod: 0: its request, else otherwise[choice - 1]
};

struct Eviction {
  enum class Why : uint8_t { Reclaim, Priority, Order, Move };
  std::string pod;  // uid
  std::string unit, node;
  std::string for_unit;
  Why why;
  std::string message;  // for people
};

struct Waiting {
  std::string unit;
  std::shared_ptr<const std::string> reason;
};

struct Placements {
  std::vector<Binding> bindings;    // a unit's bindings stand together
  std::vector<Eviction> evictions;  // a preemptor's stand together
  std::vector<Waiting> waiting;     // every pending unit that was looked at, in order
  bool more = false;                // a bound of the policy was reached: call again
  std::optional<WallTime> revisit;  // time alone changes the answer then
};

Placements schedule(Model&, const Policy&, WallTime now);

}  // namespace ingot::scheduler
