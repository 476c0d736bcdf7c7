#include "replay/inflate.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/assert.h"

namespace ingot::replay {
namespace {

constexpr WallTime kStart{std::chrono::seconds(1'700'000'000)};

scheduler::Shape shape_of(const TraceJob& job, scheduler::Model& model) {
  const scheduler::Request r = request_of(job, model);
  return scheduler::shape_of(r, 0, 1);
}

}  // namespace

Arrivals::Arrivals(const std::vector<TraceJob>& jobs, uint64_t seed)
    : jobs_(jobs), order_(jobs.size()), state_(seed * 0x9e3779b97f4a7c15u + 1) {
  ASSERT(!jobs.empty());
  std::iota(order_.begin(), order_.end(), 0u);
  for (size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[below(i)]);
}

uint64_t Arrivals::below(uint64_t n) {  // splitmix64; the bias at these n is below 2⁻⁵⁰
  uint64_t x = state_ += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return (x ^ (x >> 31)) % n;
}

const TraceJob& Arrivals::next() {
  return at_ < order_.size() ? jobs_[order_[at_++]] : jobs_[below(jobs_.size())];
}

scheduler::Node node_of(const TraceNode& n) {
  scheduler::Node node{.name = n.name,
                       .cpu_milli = n.cpu_milli,
                       .memory_bytes = n.memory_mib << 20,
                       .pods = 1'000'000,
                       .ready = true};
  for (int g = 0; g < n.gpus; ++g)
    node.devices.push_back({.uuid = n.name + "/" + std::to_string(g), .model = n.model});
  return node;
}

scheduler::Request request_of(const TraceJob& job, scheduler::Model& model) {
  scheduler::Request r{
      .cpu_milli = job.cpu_milli, .memory_bytes = job.memory_mib << 20, .gpus = job.gpus, .milli = job.milli};
  if (!job.models.empty()) r.models = 0;
  for (const std::string& name : job.models) r.models |= scheduler::ModelSet(1) << model.model_id(name);
  return r;
}

InflateResult inflate(const std::vector<TraceNode>& nodes, const std::vector<TraceJob>& jobs, uint64_t seed,
                      const InflateOptions& options, const std::function<void(double)>& progress) {
  scheduler::Model model;
  scheduler::Policy policy{.max_reservations = 0,
                           .placement = options.placement,
                           .seed = seed,
                           .preempt = false,
                           .explain = false};
  int64_t capacity = 0, asked = 0, used = 0;
  for (const TraceNode& n : nodes) {
    model.set_node(node_of(n));
    capacity += int64_t(n.gpus) * 1000;
  }
  std::map<scheduler::Shape, double> counts;
  for (const TraceJob& job : jobs) counts[shape_of(job, model)] += 1;
  const scheduler::Typical typical = scheduler::typical_of(counts);
  if (options.placement == scheduler::PlacementCost::Fgd) model.set_typical(typical);

  InflateResult out;
  for (const int mark : {100, 120, options.until_pct})
    if (mark <= options.until_pct && (out.marks_pct.empty() || mark > out.marks_pct.back()))
      out.marks_pct.push_back(mark);
  Arrivals arrivals(jobs, seed);
  // Work without GPUs alone never gets there.
  const size_t most = jobs.size() * 1000;
  while (out.allocation_pct.size() < out.marks_pct.size() && out.arrived < most) {
    const TraceJob& job = arrivals.next();
    const std::string id = "p" + std::to_string(out.arrived++);
    asked += int64_t(job.gpus) * job.milli;
    model.set_unit({.id = id, .tenant = "trace", .created = kStart, .pods = {{id, request_of(job, model)}}});
    const scheduler::Placements placed = schedule(model, policy, kStart);
    if (options.placed) options.placed(placed.bindings);
    if (placed.bindings.empty()) {
      model.erase_unit(id);
    } else {
      ++out.placed;
      used += int64_t(job.gpus) * job.milli;
    }
    while (out.allocation_pct.size() < out.marks_pct.size() &&
           asked * 100 >= int64_t(out.marks_pct[out.allocation_pct.size()]) * capacity) {
      out.allocation_pct.push_back(100.0 * double(used) / double(capacity));
      out.fragmentation_pct.push_back(100.0 * model.fragmentation(typical) / double(capacity));
    }
    if (progress && out.arrived % 256 == 0) progress(100.0 * double(asked) / double(capacity));
  }
  return out;
}

}  // namespace ingot::replay
