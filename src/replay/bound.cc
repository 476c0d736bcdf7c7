#include "replay/bound.h"

#include <algorithm>

#include "scheduler/order.h"

namespace ingot::replay {
namespace {

using scheduler::Elders;

constexpr double kSlack_s = 1;  // times are rounded to the event after

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

void Bound::stands(size_t job, const std::string& queue, WallTime now, double gpus, double queue_gpus,
                   const std::function<double(size_t job)>& left_s) {
  std::vector<Stand>& line = lines_[queue];
  line.push_back({job, now, gpus, queue_gpus / double(Elders::kElderParts)});
  Stand& own = line.back();
  for (const Stand& s : line) own.due += (left_s(s.job) + seconds(Elders::kTurn)) * s.gpus;
  queue_of_.emplace(job, queue);
  ++outcome_.elders;
}

void Bound::preempted(size_t job, Duration cost) {
  const auto queue = queue_of_.find(job);
  if (queue == queue_of_.end()) return;
  std::vector<Stand>& line = lines_.find(queue->second)->second;
  auto at = std::ranges::find(line, job, &Stand::job);
  const double more = seconds(cost) * at->gpus;
  for (; at != line.end(); ++at) at->due += more;
}

void Bound::ended(size_t job, WallTime now) {
  const auto queue = queue_of_.find(job);
  if (queue == queue_of_.end()) return;
  std::vector<Stand>& line = lines_.find(queue->second)->second;
  const auto at = std::ranges::find(line, job, &Stand::job);
  const double took = seconds(now - at->since), had = at->due / at->part;
  outcome_.past += took > had + kSlack_s;
  outcome_.worst = std::max(outcome_.worst, took / had);
  line.erase(at);
  queue_of_.erase(queue);
}

}  // namespace ingot::replay
