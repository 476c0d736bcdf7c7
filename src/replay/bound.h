// Whether elders were done by when scheduler/order.h says: once the part of their queue's GPUs that serves the line
// has done the work of those before them and their own, each in turns of which the last may be cut short.
//
// Thread rule: one thread at a time. Invariants: calls come in the order of time; memory is bounded by the elders that
// have not ended. Internal to the room.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"

namespace ingot::replay {

struct BoundOutcome {
  size_t elders = 0, past = 0;  // jobs; of them, those done later than they should
  double worst = 0;             // the largest part of its time that one took, of those that it had
};

class Bound {
 public:
  // It has waited for the line's patience and stands behind those who stand there. `queue_gpus` is what the queue may
  // count on; `left_s` the run time that a job of the line, or this one, still needs.
  void stands(size_t job, const std::string& queue, WallTime now, double gpus, double queue_gpus,
              const std::function<double(size_t job)>& left_s);
  bool contains(size_t job) const { return queue_of_.contains(job); }
  void preempted(size_t job, Duration cost);
  void ended(size_t job, WallTime now);
  const BoundOutcome& outcome() const { return outcome_; }

 private:
  struct Stand {
    size_t job;
    WallTime since;
    double gpus, part;  // its own; those that serve the line
    double due = 0;     // GPU-seconds of work before it is done
  };
  std::map<std::string, std::vector<Stand>> lines_;  // by queue, in order
  std::map<size_t, std::string> queue_of_;
  BoundOutcome outcome_;
};

}  // namespace ingot::replay
