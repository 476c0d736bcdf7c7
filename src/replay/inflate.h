// The inflation experiment of "Beware of Fragmentation" (USENIX ATC 2023): pods arrive one by one, none leaves,
// until what was asked for reaches a part of the GPU capacity; a pod that does not fit is dropped. What decides
// is the live scheduler. Pure; any thread. The same seed gives the same result.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "replay/trace.h"
#include "scheduler/schedule.h"

namespace ingot::replay {

struct InflateOptions {
  int until_pct = 130;  // of capacity, asked for
  scheduler::PlacementCost placement = scheduler::PlacementCost::Waste;
  // Told of each arrival what it got: none when it fits nowhere.
  std::function<void(const std::vector<scheduler::Binding>&)> placed = {};
};

// Marks at 100, 120 and the end.
struct InflateResult {
  std::vector<int> marks_pct;
  std::vector<double> allocation_pct, fragmentation_pct;  // of capacity, at the marks
  size_t arrived = 0, placed = 0;
};

// `progress` is told the percentage asked for now and then; false from it stops.
InflateResult inflate(const std::vector<TraceNode>&, const std::vector<TraceJob>&, uint64_t seed,
                      const InflateOptions&, const std::function<void(double)>& progress = {});

// The pods of one run in their order: the list shuffled, then sampled with replacement.
class Arrivals {
 public:
  Arrivals(const std::vector<TraceJob>&, uint64_t seed);
  const TraceJob& next();

 private:
  uint64_t below(uint64_t n);
  const std::vector<TraceJob>& jobs_;
  std::vector<uint32_t> order_;
  size_t at_ = 0;
  uint64_t state_;
};

scheduler::Node node_of(const TraceNode&);
// The request of one pod of the job; its models as the scheduler's model numbers them.
scheduler::Request request_of(const TraceJob&, scheduler::Model&);

}  // namespace ingot::replay
