// What people are told of the model: when work would start and what it waits for, where its turn stands, what
// queues hold. Looks only: nothing here changes what a pass decides.
//
// Thread rule: the model's. Forecasts go by the run times that are known, and as if nobody came in between: what
// is due sooner than its own turn is not counted, so starts are the earliest, not the promised ones.
#pragma once

#include "scheduler/schedule.h"

namespace ingot::scheduler {

struct Forecast {
  std::optional<WallTime> starts;  // now, or the earliest that known run times allow; none: nobody knows
  std::string after;               // uid of the allocation whose end that is; "": none
  std::string reason;              // why not now; "": it starts now
  bool others_yield = false;       // some may have to give way to it, which is not in `starts`
  std::string model;               // of the GPUs that it would get; "": not known
  int64_t gpu_milli = 0;  // of them, that a pod of it would hold; the most it may where `model` is not known
  size_t choice = 0;      // of what its pods would do with
};
// `unit` need not be in the model. Where it fits now that is seen at once; else every node is looked at, but with
// `quick`, where only the reason that is known already is told.
Forecast forecast(Model&, const Policy&, const Unit& unit, WallTime now, bool quick = false);

// A node on which a unit could run, were others gone.
struct NodeLine {
  std::string node;
  int64_t free = 0, of = 0;                              // whole GPUs
  std::vector<std::pair<std::string, int64_t>> holders;  // uids of allocations, the GPU-milli that they hold
  bool kept = false;                                     // for another unit
};
// All that keeps a unit of the model waiting.
struct Prospect {
  Forecast forecast;
  std::string queue;              // for people
  size_t position = 0, line = 0;  // among those who wait in its queue, from 1
  std::vector<NodeLine> nodes;    // those with most free first, kMost at most
  size_t more_nodes = 0;          // that could hold it, beyond those
  std::optional<Reservation> reserved;
  std::string preemption;  // whether others give way to it, and if not, why
  static constexpr size_t kMost = 16;
};
std::optional<Prospect> prospect(Model&, const Policy&, std::string_view unit, WallTime now);

struct QueueLine {
  std::string name;    // "" where it is a tenant's own leaf
  std::string tenant;  // of a leaf
  std::string parent;
  int64_t weight = 1;
  Amounts guarantee, used;
  Limits limit;
  int64_t lent_gpu_milli = 0;  // to it: what it holds beyond its guarantee
  size_t pending = 0;          // units, with those of queues below
  std::string head;            // the unit of its own line that comes first; "": nobody waits
};
// Parents before their children, then by name.
std::vector<QueueLine> queue_lines(Model&);

}  // namespace ingot::scheduler
