#include "replay/replay.h"

#include <algorithm>
#include <cmath>
#include <queue>
#include <set>

#include "base/assert.h"
#include "replay/bound.h"
#include "replay/inflate.h"
#include "replay/tally.h"

namespace ingot::replay {
namespace {

using scheduler::Allocation;
using scheduler::Model;
using scheduler::Placements;

constexpr WallTime kEnd{std::chrono::days(365 * 200)};
constexpr size_t kMaxTurns = 100'000;  // passes at one point in time: beyond, the order makes work take turns

WallTime::duration micros(double s) { return WallTime::duration(int64_t(std::llround(s * 1e6))); }

enum class What : uint8_t { End, Arrive, Look };
struct Event {
  WallTime at;
  What what = What::Look;
  size_t job = 0;
  uint64_t start = 0;  // the start that an End or a Look is of
  auto operator<=>(const Event&) const = default;
};

class Run {
 public:
  Run(const std::vector<TraceNode>& nodes, const std::vector<TraceJob>& jobs, const ReplayOptions& options)
      : trace_(jobs),
        options_(options),
        order_(options.known_runtimes ? options.policy->known : options.policy->unknown),
        tally_(jobs, options) {
    for (const TraceNode& n : nodes) {
      model_.set_node(node_of(n));
      gpus_ += n.gpus;
      largest_ = std::max(largest_, n.gpus);
    }
    tally_.set_gpus(gpus_);
    policy_.placement = options.policy->placement;
    policy_.seed = options.seed;
    policy_.explain = false;
    policy_.strict = options.policy->strict;
    // Who gives way to an order needs no nodes kept for the blocked.
    if (order_.kind() != scheduler::OrderKind::Age || policy_.strict) policy_.max_reservations = 0;
    policy_.preempt = options.policy->preempts;
    order_.apply(policy_);
    set_tenants();
  }

  std::expected<ReplayResult, std::string> run(const std::function<void(double)>& progress) {
    for (size_t i = 0; i < trace_.size(); ++i)
      events_.push({WallTime{micros(trace_[i].submit_s)}, What::Arrive, i, 0});
    jobs_.resize(trace_.size());
    while (!events_.empty()) {
      now_ = events_.top().at;
      if (now_ > kEnd) return std::unexpected("the trace would run for more than 200 years");
      tally_.advance(now_, model_);
      while (!events_.empty() && events_.top().at == now_) {
        const Event event = events_.top();
        events_.pop();
        handle(event);
      }
      if (auto wrong = settle()) return std::unexpected(std::move(*wrong));
      if (progress && tally_.ended() % 64 == 0) progress(double(tally_.ended()) / double(jobs_.size()));
    }
    if (tally_.ended() < jobs_.size()) return std::unexpected(stuck());
    ReplayResult out = tally_.result();
    out.gpus = gpus_;
    out.passes = passes_;
    if (has_elders()) out.bound = bound_.outcome();
    return out;
  }

 private:
  struct Job {
    Duration left{}, attained{};  // of work to do, with what preemptions cost; run so far
    WallTime since{};             // it was started, or began to wait
    Duration waited{};
    uint64_t starts = 0;
    bool running = false, known = false;  // known: arrived and not ended
    std::vector<std::string> pods;
  };

  void set_tenants() {
    for (const std::string& name : tally_.tenants()) {
      scheduler::Tenant tenant{.id = name, .name = name};
      if (options_.tenants > 0) tenant.gpu_guarantee = gpus_ / options_.tenants;
      model_.set_tenant(tenant);
    }
    for (const scheduler::Queue& queue : options_.queues) model_.set_queue(queue);
  }

  bool has_elders() const { return options_.policy->elders && !options_.known_runtimes; }
  static std::string id_of(size_t job) { return std::to_string(job); }
  int64_t gpus_of(size_t job) const { return (int64_t(trace_[job].gpus) * trace_[job].milli + 999) / 1000; }
  Duration attained(const Job& j) const { return j.running ? j.attained + (now_ - j.since) : j.attained; }

  void handle(const Event& event) {
    Job& j = jobs_[event.job];
    switch (event.what) {
      case What::Arrive:
        j.known = true;
        j.since = now_;
        j.left = micros(trace_[event.job].run_s);
        see(event.job);
        wait(event.job);
        tally_.arrived(event.job, now_);
        return;
      case What::End:
        if (j.running && j.starts == event.start) end(event.job);
        return;
      case What::Look:
        if (j.running && j.starts == event.start) watch(event.job);
        return;
    }
  }

  // It stands in the line, as new or once more.
  void wait(size_t job) {
    const TraceJob& t = trace_[job];
    Job& j = jobs_[job];
    const std::string id = id_of(job);
    scheduler::Unit unit{.id = id, .tenant = tally_.tenant(job), .created = WallTime{micros(t.submit_s)}};
    scheduler::Request request = request_of(t, model_);
    int left = t.gpus;
    do {
      request.gpus = std::min(left, largest_);
      unit.pods.push_back({id + "." + std::to_string(unit.pods.size()), request});
      left -= int(request.gpus);
    } while (left > 0);
    j.pods.clear();
    for (const auto& pod : unit.pods) j.pods.push_back(pod.uid);
    unit.work.queue = tally_.queue(job);
    unit.work.attained = j.attained;
    unit.work.grace = {};
    if (options_.known_runtimes) unit.work.run_time = j.attained + j.left;
    model_.set_unit(std::move(unit));
    const Duration patience = scheduler::Elders::kPatience - std::min(j.waited, scheduler::Elders::kPatience);
    elders_due_ = std::min(elders_due_, scheduler_time(now_ + patience));
    if (has_elders()) look(elders_due_);
  }

  void end(size_t job) {
    Job& j = jobs_[job];
    const std::string id = id_of(job);
    j.attained += now_ - j.since;
    j.running = j.known = false;
    for (const std::string& pod : j.pods) model_.close(pod);
    order_.run_times().ended(id, j.attained);
    if (order_.elders().contains(id)) elders_due_ = now_;
    tally_.ended(job, now_);
    bound_.ended(job, now_);
  }

  void see(size_t job) {
    order_.run_times().seen(id_of(job), gpus_of(job), WallTime{micros(trace_[job].submit_s)},
                            attained(jobs_[job]));
  }

  // Its rank may have changed: seen again when it may next.
  void watch(size_t job) {
    const Job& j = jobs_[job];
    const Duration ran = attained(j);
    see(job);
    const Duration until = order_.until(gpus_of(job), ran);
    if (until < Duration::max())
      events_.push({scheduler_time(now_ + (until - ran)), What::Look, job, j.starts});
  }

  static WallTime scheduler_time(std::chrono::sys_time<Duration> at) {
    return std::chrono::ceil<WallTime::duration>(at);
  }

  void start(size_t job) {
    Job& j = jobs_[job];
    if (j.running) return;  // by another of its pods
    j.waited += now_ - j.since;
    j.since = now_;
    j.running = true;
    ++j.starts;
    tally_.started(job, now_);
    events_.push({scheduler_time(now_ + j.left), What::End, job, j.starts});
    watch(job);
  }

  void preempt(size_t job) {
    Job& j = jobs_[job];
    if (!j.running) return;
    const Duration ran = now_ - j.since;
    j.attained += ran;
    j.left -= ran - options_.preemption_cost;
    j.since = now_;
    j.running = false;
    for (const std::string& pod : j.pods) model_.close(pod);
    see(job);
    tally_.preempted(job, now_);
    bound_.preempted(job, options_.preemption_cost);
    wait(job);
  }

  // Passes until nothing changes any more at this time.
  std::optional<std::string> settle() {
    for (size_t turn = 0; turn < kMaxTurns; ++turn) {
      age();
      const Placements p = schedule(model_, policy_, now_);
      ++passes_;
      for (const auto& b : p.bindings) start(size_t(std::stoull(b.unit)));
      for (const auto& e : p.evictions) preempt(size_t(std::stoull(e.unit)));
      if (!p.more && p.evictions.empty()) {
        if (p.revisit && *p.revisit > now_) look(*p.revisit);
        return std::nullopt;
      }
    }
    return "the policy " + std::string(options_.policy->name) + " has work take turns without end";
  }

  // A look of nobody's job: a pass is due then.
  void look(WallTime at) {
    if (looks_.insert(at).second) events_.push({at, What::Look, 0, UINT64_MAX});
    looks_.erase(looks_.begin(), looks_.upper_bound(now_));
  }

  void age() {
    if (!has_elders() || elders_due_ > now_) return;
    std::map<std::string, std::vector<scheduler::Elders::Member>> members;  // by queue
    for (size_t i = 0; i < jobs_.size(); ++i)
      if (const Job& j = jobs_[i]; j.known && trace_[i].gpus > 0)
        members[tally_.tenant(i)].push_back(
            {id_of(i), gpus_of(i), j.running ? j.waited : j.waited + (now_ - j.since), j.running});
    Duration next = Duration::max();
    const int64_t part = gpus_ / std::max<int64_t>(1, int64_t(tally_.tenants().size()));
    for (auto& [queue, of] : members) {
      next = std::min(next, order_.elders().advance(now_, queue, std::max<int64_t>(1, part), of));
      stand(queue, double(std::max<int64_t>(1, part)), of);
    }
    elders_due_ = next == Duration::max() ? WallTime::max() : scheduler_time(now_ + next);
    if (elders_due_ < WallTime::max()) look(elders_due_);
  }

  // Who has come to stand in the line, in its order.
  void stand(const std::string& queue, double gpus, std::vector<scheduler::Elders::Member>& members) {
    std::erase_if(members, [&](const auto& m) {
      return m.waited < scheduler::Elders::kPatience || bound_.contains(size_t(std::stoull(m.unit)));
    });
    std::ranges::sort(members, [](const auto& a, const auto& b) {
      return a.waited != b.waited ? a.waited > b.waited : a.unit < b.unit;
    });
    const auto left_s = [&](size_t job) {
      const Job& j = jobs_[job];
      return std::chrono::duration<double>(j.running ? j.left - (now_ - j.since) : j.left).count();
    };
    for (const auto& m : members)
      bound_.stands(size_t(std::stoull(m.unit)), queue, now_, double(m.gpus), gpus, left_s);
  }

  std::string stuck() {
    policy_.explain = true;
    const Placements p = schedule(model_, policy_, now_);
    for (const auto& w : p.waiting)
      return trace_[size_t(std::stoull(w.unit))].name + " can never run: " + (w.reason ? *w.reason : "");
    return "work is left that can never run";
  }

  const std::vector<TraceJob>& trace_;
  const ReplayOptions& options_;
  Model model_;
  scheduler::Policy policy_;
  scheduler::Order order_;
  Tally tally_;
  Bound bound_;
  int64_t gpus_ = 0;
  int largest_ = 0;
  std::vector<Job> jobs_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::set<WallTime> looks_;
  WallTime now_{}, elders_due_{};
  size_t passes_ = 0;
};

}  // namespace

std::expected<ReplayResult, std::string> replay(const std::vector<TraceNode>& nodes,
                                                const std::vector<TraceJob>& jobs,
                                                const ReplayOptions& options,
                                                const std::function<void(double)>& progress) {
  ASSERT(!nodes.empty() && !jobs.empty());
  return Run(nodes, jobs, options).run(progress);
}

std::vector<TraceNode> plain_nodes(int64_t gpus) {
  constexpr int64_t kOnNode = 8;
  std::vector<TraceNode> out;
  for (; gpus > 0; gpus -= kOnNode) {
    const std::string n = std::to_string(out.size());
    out.push_back({.name = "node-" + std::string(n.size() < 4 ? 4 - n.size() : 0, '0') + n,
                   .cpu_milli = 1'000'000'000,
                   .memory_mib = 1'000'000'000,
                   .gpus = int(std::min(gpus, kOnNode)),
                   .model = "GPU"});
  }
  return out;
}

}  // namespace ingot::replay
