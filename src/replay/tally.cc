#include "replay/tally.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "replay/inflate.h"

namespace ingot::replay {
namespace {

constexpr double kDay_s = 86'400, kHour_s = 3'600;

double seconds(WallTime t) { return std::chrono::duration<double>(t.time_since_epoch()).count(); }

uint64_t mixed(uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

std::string tenant_of(const TraceJob& job, const ReplayOptions& options) {
  if (options.tenants == 0) return job.tenant.empty() ? "all" : job.tenant;
  const auto hour = uint64_t(job.submit_s / kHour_s);
  return "tenant-" + std::to_string(mixed(options.seed ^ mixed(hour)) % uint64_t(options.tenants) + 1);
}

double mean(const std::vector<double>& v) {
  return v.empty() ? 0 : std::accumulate(v.begin(), v.end(), 0.0) / double(v.size());
}

double quantile(const std::vector<double>& sorted, double q) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1, size_t(q * double(sorted.size())))];
}

}  // namespace

Tally::Tally(const std::vector<TraceJob>& jobs, const ReplayOptions& options)
    : trace_(jobs), options_(options), jobs_(jobs.size()), since_s_(jobs.size()) {
  std::set<std::string> names;
  for (const TraceJob& job : jobs) {
    names.insert(tenant_of(job, options));
    step_s_ = std::max(step_s_, job.submit_s / double(kSamples / 2));
  }
  step_s_ = std::max(step_s_, 1.0);
  names_.assign(names.begin(), names.end());
  for (const TraceJob& job : jobs)
    of_.push_back(size_t(std::ranges::lower_bound(names_, tenant_of(job, options)) - names_.begin()));
  tenants_.resize(names_.size());
  for (size_t i = 0; i < names_.size(); ++i) {
    const auto queue = std::ranges::find(options.queues, names_[i], &scheduler::Queue::name);
    if (queue != options.queues.end()) tenants_[i].weight = double(queue->weight);
    weights_ += tenants_[i].weight;
  }
}

std::string Tally::queue(size_t job) const {
  const bool has =
      std::ranges::find(options_.queues, tenant(job), &scheduler::Queue::name) != options_.queues.end();
  return has ? tenant(job) : "";
}

double Tally::gpus_of(size_t job) const { return trace_[job].gpus * trace_[job].milli / 1000.0; }

void Tally::integrate(Tenant& t, double from_s, double to_s) const {
  const double due = std::min(t.running + t.waiting, double(gpus_) * t.weight / weights_);
  t.gpu_s += t.running * (to_s - from_s);
  while (from_s < to_s && due > 0) {
    const auto day = size_t(from_s / kDay_s);
    const double end = std::min(to_s, double(day + 1) * kDay_s);
    if (t.days.size() <= day) t.days.resize(day + 1);
    t.days[day].held += t.running * (end - from_s);
    t.days[day].due += due * (end - from_s);
    from_s = end;
  }
}

// The state has been the same since at_s_.
void Tally::sample(double until_s, const scheduler::Model& model) {
  if (next_s_ >= until_s) return;
  if (!typical_) {
    std::map<scheduler::Shape, double> counts;
    for (const TraceJob& job : trace_) {
      scheduler::Request request{.cpu_milli = job.cpu_milli,
                                 .memory_bytes = job.memory_mib << 20,
                                 .gpus = std::min(job.gpus, scheduler::kMaxGpus),
                                 .milli = job.milli};
      counts[scheduler::shape_of(request, 0, 1)] += 1;
    }
    typical_ = scheduler::typical_of(counts);
  }
  Sample s{.allocated_pct = 100 * busy_gpus_ / double(gpus_),
           .fragmented_pct = 100 * model.fragmentation(*typical_) / (1000.0 * double(gpus_)),
           .running = running_,
           .waiting = waiting_};
  for (; next_s_ < until_s; next_s_ += step_s_) {
    s.at_s = next_s_;
    samples_.push_back(s);
    if (samples_.size() < kSamples) continue;
    for (size_t i = 0; 2 * i < samples_.size(); ++i) samples_[i] = samples_[2 * i];
    samples_.resize((samples_.size() + 1) / 2);
    step_s_ *= 2;
    next_s_ = samples_.back().at_s;
  }
}

void Tally::advance(WallTime now, const scheduler::Model& model) {
  const double now_s = seconds(now);
  for (Tenant& t : tenants_) integrate(t, at_s_, now_s);
  gpu_s_ += busy_gpus_ * (now_s - at_s_);
  sample(now_s, model);
  at_s_ = now_s;
}

void Tally::arrived(size_t job, WallTime now) {
  tenants_[of_[job]].waiting += gpus_of(job);
  ++waiting_;
  since_s_[job] = seconds(now);
  jobs_[job].start_s = -1;
}

void Tally::started(size_t job, WallTime now) {
  Tenant& t = tenants_[of_[job]];
  t.waiting -= gpus_of(job);
  t.running += gpus_of(job);
  busy_gpus_ += gpus_of(job);
  --waiting_;
  ++running_;
  JobOutcome& out = jobs_[job];
  if (out.start_s < 0) out.start_s = seconds(now);
  out.waited_s += seconds(now) - since_s_[job];
  since_s_[job] = seconds(now);
}

void Tally::preempted(size_t job, WallTime now) {
  Tenant& t = tenants_[of_[job]];
  t.running -= gpus_of(job);
  t.waiting += gpus_of(job);
  busy_gpus_ -= gpus_of(job);
  ++waiting_;
  --running_;
  ++jobs_[job].preemptions;
  ++preemptions_;
  since_s_[job] = seconds(now);
}

void Tally::ended(size_t job, WallTime now) {
  tenants_[of_[job]].running -= gpus_of(job);
  busy_gpus_ -= gpus_of(job);
  --running_;
  jobs_[job].end_s = seconds(now);
  ++ended_;
}

TenantOutcome Tally::outcome(size_t tenant) const {
  TenantOutcome out{.gpu_s = tenants_[tenant].gpu_s, .worst_share = -1};
  std::vector<double> waits;
  std::vector<std::pair<double, size_t>> by_day;
  for (size_t j = 0; j < trace_.size(); ++j) {
    if (of_[j] != tenant) continue;
    waits.push_back(jobs_[j].waited_s);
    const auto day = size_t(trace_[j].submit_s / kDay_s);
    if (by_day.size() <= day) by_day.resize(day + 1);
    by_day[day].first += jobs_[j].waited_s;
    ++by_day[day].second;
  }
  for (const auto& [sum, n] : by_day) out.wait_by_day.push_back(n > 0 ? sum / double(n) : -1);
  std::ranges::sort(waits);
  out.jobs = waits.size();
  out.avg_wait_s = mean(waits);
  out.p95_wait_s = quantile(waits, 0.95);
  out.max_wait_s = waits.empty() ? 0 : waits.back();
  for (const Day& day : tenants_[tenant].days) {
    const double share = day.due > 0 ? day.held / day.due : -1;
    out.share_by_day.push_back(share);
    if (day.due > 0 && (out.worst_share < 0 || share < out.worst_share)) out.worst_share = share;
  }
  return out;
}

ReplayResult Tally::result() const {
  ReplayResult out{.gpus = gpus_, .jobs = jobs_, .samples = samples_, .preemptions = preemptions_};
  std::vector<double> jcts, waits;
  double first = trace_.empty() ? 0 : trace_.front().submit_s, last = 0;
  for (size_t j = 0; j < trace_.size(); ++j) {
    jcts.push_back(jobs_[j].end_s - trace_[j].submit_s);
    waits.push_back(jobs_[j].waited_s);
    out.jobs[j].tenant = tenant(j);
    first = std::min(first, trace_[j].submit_s);
    last = std::max(last, jobs_[j].end_s);
  }
  std::ranges::sort(jcts);
  std::ranges::sort(waits);
  out.avg_jct_s = mean(jcts);
  out.median_jct_s = quantile(jcts, 0.5);
  out.p99_jct_s = quantile(jcts, 0.99);
  out.avg_wait_s = mean(waits);
  out.p95_wait_s = quantile(waits, 0.95);
  out.max_wait_s = waits.empty() ? 0 : waits.back();
  out.makespan_s = last - first;
  out.utilization = last > first ? gpu_s_ / (double(gpus_) * (last - first)) : 0;
  for (size_t t = 0; t < names_.size(); ++t) out.tenants.emplace(names_[t], outcome(t));
  return out;
}

}  // namespace ingot::replay
