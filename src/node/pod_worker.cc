#include "node/pod_worker.h"

#include <fmt/format.h>

#include <algorithm>

#include "node/restart.h"

namespace ingot::node {
namespace {
// How long a hollow pod's status waits for what comes next, so that what passes quickly is told of once: one that is on
// its way to another, and one that may have ended by then.
constexpr Duration kPassing = std::chrono::seconds(5), kRunning = std::chrono::milliseconds(250);
}  // namespace
using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::seconds;

void PodWorker::Work::probes_changed() { owner.poke(); }

void PodWorker::Work::probe_failed(ProbeKind, const std::string& message) {
  if (owner.pod_ && owner.allocation_)
    owner.ctx_.events.warning(owner.cluster_path(), *owner.pod_, owner.pod_->container(name), "Unhealthy",
                              message);
}

void PodWorker::Work::kill(ProbeKind kind, std::optional<int64_t> grace_s) {
  if (!owner.pod_) return;
  const ContainerDef* def = owner.pod_->container(name);
  owner.ctx_.events.normal(
      owner.cluster_path(), *owner.pod_, def, "Killing",
      fmt::format("Container {} failed {} probe{}", name, kind == ProbeKind::Startup ? "startup" : "liveness",
                  owner.pod_->restart_policy == RestartPolicy::Never ? "" : ", will be restarted"));
  owner.stop_container(*def, seconds(grace_s.value_or(owner.pod_->grace_s)));
}

PodWorker::PodWorker(WorkerContext& ctx, std::string uid, std::function<void(const std::string&)> forgotten)
    : ctx_(ctx), uid_(std::move(uid)), forgotten_(std::move(forgotten)) {
  volumes_ = std::make_unique<PodVolumes>(ctx_.files);
  reporter_ = std::make_unique<Reporter>(ctx_.env, ctx_.api, [this] { poke(); });
}

PodWorker::~PodWorker() { ctx_.env.loop.cancel(timer_); }

void PodWorker::set_pod(PodPtr pod) {
  const bool first = pod_ == nullptr;
  const auto shown = [](const Pod& p) {
    return std::pair(api::object_at(p.object, {"metadata", "labels"}),
                     api::object_at(p.object, {"metadata", "annotations"}));
  };
  // The downward API shows labels and annotations; at most once a second.
  if (!first && config_ready_ && !ctx_.config.hollow && shown(*pod_) != shown(*pod))
    fetch_at_ = std::min(fetch_at_, synced_at_ + seconds(1));
  pod_ = std::move(pod);
  view_.pod = pod_;
  if (first) {
    const WallTime now = ctx_.env.clock.wall();
    view_.host_ip = ctx_.config.host_ip;
    view_.accepted_at = parse_rfc3339(api::string_at(pod_->object, {"status", "startTime"})).value_or(now);
    if (!ctx_.config.hollow) refs_ = references(*pod_);
    if (auto step = step_of(*pod_)) step_ = std::make_unique<StepWork>(StepWork{.step = *std::move(step)});
    // An earlier life of this agent decided to end it.
    if (pod_->phase() == "Failed") view_.reason = api::string_at(pod_->object, {"status", "reason"});
    if (!view_.reason.empty()) view_.message = api::string_at(pod_->object, {"status", "message"});
    for (const ContainerDef& def : pod_->containers)
      if (auto old = recall(*pod_, def.name, now); old && !asks(def)) {
        const ContainerView& known = view_.view(def.name);
        if (!known.current || known.current->attempt < old->attempt) merge(*old, true);
      }
  }
  poke();
}

void PodWorker::set_gone() {
  gone_ = true;
  poke();
}

void PodWorker::set_allocation(Allocation allocation) {
  if (allocation_ == allocation) return;
  allocation_ = std::move(allocation);
  verify_at_ = ctx_.env.clock.now() + seconds(1);
  poke();
}

void PodWorker::end(std::string reason, std::string message) {
  if (!view_.reason.empty() || (pod_ && pod_->finished())) return;
  view_.reason = std::move(reason);
  view_.message = std::move(message);
  poke();
}

void PodWorker::poke() {
  if (std::exchange(poked_, true)) return;
  ctx_.env.loop.post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->sync();
  });
}

void PodWorker::wake(Instant at) {
  if (!wake_at_ || at < *wake_at_) wake_at_ = at;
}

PodWorker::Work& PodWorker::work(const std::string& name) {
  auto& found = work_[name];
  if (!found) found = std::make_unique<Work>(*this, name);
  return *found;
}

// The newest attempt wins; of one attempt what happened later (created, running, exited).
void PodWorker::merge(const ContainerStatus& seen, bool sandbox_ready) {
  ContainerView& view = view_.containers[seen.name];
  ContainerStatus c = seen;
  if (!sandbox_ready && c.state == ContainerState::Running) {
    c.state = ContainerState::Exited;
    c.exit_code = 137;
    c.reason = "Error";
    c.finished_at = ctx_.env.clock.wall();
  }
  if (c.reason.empty() && c.state == ContainerState::Exited)
    c.reason = c.exit_code == 0 ? "Completed" : "Error";
  if (!view.current || c.attempt > view.current->attempt) {
    if (view.exited()) view.previous = view.current;
    view.current = std::move(c);
  } else if (c.attempt == view.current->attempt) {
    // What the runtime knows replaces what was remembered from the API (without an id).
    const bool newer = c.state >= view.current->state || view.current->id.empty();
    if (newer && c.state != ContainerState::Unknown) view.current = std::move(c);
  } else if (c.attempt + 1 == view.current->attempt && c.state == ContainerState::Exited) {
    view.previous = std::move(c);
  }
}

void PodWorker::observe(const std::vector<SandboxStatus>& all) {
  const SandboxStatus* newest = nullptr;
  for (const SandboxStatus& s : all)
    if (!newest || s.attempt > newest->attempt) newest = &s;
  if (newest && (!sandbox_ || newest->attempt >= sandbox_->attempt)) {
    sandbox_ = *newest;
    sandbox_stopped_ = false;
    ran_ = true;
    next_attempt_ = std::max(next_attempt_, newest->attempt + 1);
    if (!newest->ip.empty()) view_.ip = newest->ip;
  } else if (!newest && !sandbox_busy_ && sandbox_) {
    // Removed behind our back, network and processes with it.
    sandbox_.reset();
    gone_at_ = ctx_.env.clock.wall();
    for (auto& [name, view] : view_.containers)
      if (view.current) merge(*view.current, false);
  }
  for (const SandboxStatus& s : all)
    for (const ContainerStatus& c : s.containers) merge(c, s.ready);
  sweep_old(all);
  poke();
}

void PodWorker::look() {
  if (looking_) {
    look_again_ = true;
    return;
  }
  looking_ = true;
  ctx_.runtime.inspect(uid_, guarded([this](Result<std::vector<SandboxStatus>> all) {
                         looking_ = false;
                         const bool again = std::exchange(look_again_, false);
                         if (all) observe(*all);
                         if (again) look();
                         if (!all && !again) {
                           look_again_ = true;
                           wake(ctx_.env.clock.now() + seconds(1));
                         }
                       }));
}

bool PodWorker::busy() const {
  return sandbox_busy_ || collecting_ || preparing_ || (step_ && step_->bringing) ||
         std::ranges::any_of(work_, [](const auto& w) { return w.second->busy; });
}

bool PodWorker::anything_running() const {
  return std::ranges::any_of(view_.containers, [](const auto& entry) {
    const auto& current = entry.second.current;
    return current && !current->id.empty() && current->state != ContainerState::Exited;
  });
}

bool PodWorker::complete() const {
  if (!pod_) return false;
  if (pod_->finished()) return true;
  bool any_main = false;
  for (const ContainerDef& def : pod_->containers) {
    const ContainerView& view = view_.view(def.name);
    if (def.sidecar) continue;
    const bool ended = view.exited() && !restarts(*pod_, def, *view.current);
    if (def.init) {
      if (ended && view.current->exit_code != 0 && !initialized(view_)) return true;
      continue;
    }
    any_main = true;
    if (!ended) return false;
  }
  return any_main;
}

bool PodWorker::stopping() const {
  if (gone_ || !view_.reason.empty() || complete()) return true;
  if (pod_ && pod_->deleted_at) return true;
  return ran_ && (!allocation_ || !allocation_->open);
}

void PodWorker::update_container(const ContainerDef& def) {
  ContainerView& view = view_.containers[def.name];
  Work& w = work(def.name);
  watch_probes(def);
  const bool ran_well = def.init && !def.sidecar && view.exited() && view.current->exit_code == 0;
  view.started = w.probes && w.probes->started();
  view.ready = ran_well || (w.probes && w.probes->ready());
  if (view.running()) {
    view.waiting_reason.clear();
    view.waiting_message.clear();
    return;
  }
  if (!view.exited() || stopping()) return;
  if (!restarts(*pod_, def, *view.current)) return;
  if (w.restart && w.restart->first == view.current->attempt) return;
  // Exited just now: when may it start again?
  const WallTime wall = ctx_.env.clock.wall();
  const ContainerStatus& c = *view.current;
  if (w.streak < 0) w.streak = int(std::min<uint32_t>(c.attempt, 16));
  w.streak = streak_at_exit(w.streak, c.finished_at - c.started_at);
  const bool retried = !def.init && pod_->restart_policy == RestartPolicy::Never;
  const Duration delay = retried ? pod_->retry_pause : restart_delay(w.streak);
  const Duration passed = std::clamp<Duration>(wall - c.finished_at, Duration{}, delay);
  w.restart = {c.attempt, ctx_.env.clock.now() + delay - passed};
  w.streak = std::min(w.streak + 1, 16);
  if (passed == delay) return;
  view.waiting_reason = "CrashLoopBackOff";
  view.waiting_message = fmt::format("back-off {} restarting failed container={} pod={}_{}({})",
                                     human_duration(delay), def.name, pod_->name, pod_->ns, uid_);
  ctx_.events.warning(cluster_path(), *pod_, &def, "BackOff",
                      fmt::format("Back-off restarting failed container {} in pod {}_{}({})", def.name,
                                  pod_->name, pod_->ns, uid_));
}

void PodWorker::update() {
  if (!pod_) return;
  view_.sandbox_ready = sandbox_ && sandbox_->ready && !sandbox_stopped_;
  if (pod_->active_deadline_s && !complete() && view_.reason.empty()) {
    const WallTime due = view_.accepted_at + seconds(*pod_->active_deadline_s);
    const WallTime now = ctx_.env.clock.wall();
    if (now >= due)
      end("DeadlineExceeded", "Pod was active on the node longer than the specified deadline");
    else
      wake(ctx_.env.clock.now() + (due - now));
  }
  for (const ContainerDef& def : pod_->containers) update_container(def);
  const bool was = view_.ended;
  view_.ended = stopping() && !anything_running() && !busy();
  if (view_.ended && !was)
    for (auto& [name, view] : view_.containers) {
      view.waiting_reason.clear();
      view.waiting_message.clear();
      view.started = false;
      if (!pod_->container(name)->init) view.ready = false;
    }
}

void PodWorker::sync() {
  poked_ = false;
  if (!ctx_.started || finished_) return;
  wake_at_.reset();
  if (!looking_ && look_again_) {
    if (ctx_.env.clock.now() < look_at_)
      wake(look_at_);
    else
      look_again_ = false, look();
  }
  collect();
  stop_artifacts();
  update();
  if (stopping())
    wind_down();
  else if (pod_ && allocation_ && allocation_->open)
    run_pod();
  report();
  close();
  ctx_.env.loop.cancel(timer_);
  timer_ = 0;
  if (!wake_at_ || finished_) return;
  timer_ = ctx_.env.loop.at(*wake_at_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->poke();
  });
}

// Before the pod's last status, and before anything of it is removed.
void PodWorker::collect() {
  if (!pod_ || gone_ || collecting_ || !outputs_.empty() || pod_->finished()) return;
  const ContainerDef* def = pod_->container(kStepContainer);
  const ContainerView& view = view_.view(kStepContainer);
  if (!def || !view.exited() || view.current->id.empty() || !complete()) return;
  if (!step_ || !step_->step.leaves() || !allocation_) return;
  const Step* step = &step_->step;
  step_->stop = std::make_shared<std::atomic<bool>>(false);
  LeftBy ask{.container = view.current->id,
             .cluster = allocation_->cluster,
             .most_bytes = kMaxOutputs,
             .stop = step_->stop};
  if (auto artifacts = artifacts_out(*step)) ask.artifacts = *std::move(artifacts);
  if (step->result)
    ask.log = fmt::format("{}/{}/{}.log", ctx_.files.log_directory(uid_), def->name, view.current->attempt);
  for (const Step::Parameter& p : step->parameters) ask.files.push_back(p.path);
  if (auto mounts = volumes_->mounts(*pod_, *def, Environment{})) ask.mounts = std::move(*mounts);
  const Brought all(step->brought.size(), true);
  for (Mount& m : artifact_mounts(*step, ctx_.files.artifact_directory(uid_), all))
    ask.mounts.push_back(std::move(m));
  collecting_ = true;
  ctx_.runtime.left(ask, guarded([this](Result<Left> left) {
                      collecting_ = false;
                      outputs_ = outputs_of(step_->step, left);
                    }));
}

// Whether it is time to say how a hollow pod is.
bool PodWorker::settled() {
  const std::string_view phase = phase_of(view_);
  const bool passing = phase == "Pending" || (stopping() && view_.sandbox_ready);
  const Instant now = ctx_.env.clock.now();
  if (passing || phase == "Running") {
    tell_at_ = std::min(tell_at_.value_or(Instant::max()), now + (passing ? kPassing : kRunning));
    if (now < *tell_at_) {
      wake(*tell_at_);
      return false;
    }
  }
  tell_at_.reset();
  return true;
}

void PodWorker::stop_artifacts() {
  if (preparing_ && stopping()) *stop_preparing_ = true;
  if (!step_ || !step_->stop) return;
  const bool over = pod_ && pod_->deleted_at && ctx_.env.clock.wall() >= *pod_->deleted_at;
  const bool needless = (step_->bringing || step_->asking) && stopping();
  if (gone_ || over || needless) *step_->stop = true;
}

void PodWorker::report() {
  if (collecting_) return;
  // Only who holds the Allocation may speak for the pod.
  if (!pod_ || gone_ || !allocation_ || !allocation_->open) return;
  if (pod_->finished()) return;  // said already
  if (ctx_.config.hollow && !settled()) return;
  const api::JsonArray& before =
      conditions_.empty() ? api::array_at(pod_->object, {"status", "conditions"}) : conditions_;
  api::JsonObject status = make_status(view_, ctx_.env.clock.wall(), before);
  conditions_ = status["conditions"].get_array();
  reporter_->want(pod_path(), *pod_, std::move(status), outputs_);
}

std::string PodWorker::cluster_path() const {
  return "/clusters/" + (allocation_ ? allocation_->tenant : std::string());
}

std::string PodWorker::pod_path() const {
  const std::string& ns = pod_ ? pod_->ns : allocation_->ns;
  const std::string& name = pod_ ? pod_->name : allocation_->pod;
  return fmt::format("{}/api/v1/namespaces/{}/pods/{}", cluster_path(), ns, name);
}

}  // namespace ingot::node
