// PodWorker: towards nothing. Containers end, the sandbox goes, the last status is said, the Allocation is released,
// the object and the files are removed; each step follows from state and may be repeated.
#include <fmt/format.h>

#include <algorithm>

#include "node/pod_worker.h"

namespace ingot::node {
using std::chrono::seconds;

// How long its containers have. An object removed by force, or a lost Allocation, waits for nobody.
Duration PodWorker::grace() const {
  const bool lost = gone_ || !pod_ || (ran_ && (!allocation_ || !allocation_->open));
  if (lost) return seconds(1);
  if (!pod_->deleted_at) return seconds(pod_->grace_s);
  const int64_t given = std::max<int64_t>(0, pod_->deletion_grace_s.value_or(pod_->grace_s));
  const auto left = std::chrono::ceil<seconds>(*pod_->deleted_at - ctx_.env.clock.wall());
  return std::clamp<Duration>(left, seconds(std::min<int64_t>(1, given)), seconds(given));
}

void PodWorker::wind_down() {
  if (!pod_) {
    // An orphan: known to the runtime only. The sandbox goes with all that is in it.
    if (sandbox_ && !sandbox_busy_) sandbox_stopped_ ? remove_sandbox() : stop_sandbox();
    return;
  }
  const Duration grace = this->grace();
  bool mains = false, others = false;
  for (const ContainerDef& def : pod_->containers) {
    if (def.sidecar || !view_.view(def.name).running()) continue;
    mains = true;
    stop_container(def, grace);
  }
  // Sidecars end after what they serve, the last one first.
  for (auto def = pod_->containers.rbegin(); def != pod_->containers.rend(); ++def) {
    if (mains || others || !def->sidecar || !view_.view(def->name).running()) continue;
    others = true;
    stop_container(*def, grace);
  }
  if (mains || others || busy() || looking_ || !sandbox_) return;
  if (!sandbox_stopped_) return stop_sandbox();
  // Its records are the only copy of the exit codes until the last status was heard.
  if (gone_ || !allocation_ || !allocation_->open || reporter_->settled()) remove_sandbox();
}

void PodWorker::stop_container(const ContainerDef& def, Duration grace) {
  Work& w = work(def.name);
  const ContainerView& view = view_.view(def.name);
  if (!view.running() || view.current->id.empty()) return;
  const bool shorter = w.stop_grace && grace < *w.stop_grace && (gone_ || pod_->deleted_at);
  if (w.stop_grace && !shorter) {
    if (w.stopping) return;
    if (ctx_.env.clock.now() < w.stop_at) return wake(w.stop_at);
  }
  const bool first = !w.stop_grace;
  w.stop_grace = grace;
  w.stop_at = ctx_.env.clock.now() + seconds(1);
  if (first)
    ctx_.events.normal(cluster_path(), *pod_, &def, "Killing",
                       fmt::format("Stopping container {}", def.name));
  const api::Json* hook = api::find(*def.spec, {"lifecycle", "preStop"});
  if (first && hook && !gone_ && grace > Duration{} && !ctx_.config.hollow)
    return pre_stop(def, *hook, grace);
  stop_now(def.name, grace);
}

void PodWorker::stop_now(const std::string& name, Duration grace) {
  Work& w = work(name);
  const ContainerView& view = view_.view(name);
  if (!view.current) return;
  w.stopping = true;
  ctx_.runtime.stop_container(view.current->id, grace, guarded([this, name](Result<void> ok) {
                                Work& w = work(name);
                                w.stopping = false;
                                w.stop_at = ctx_.env.clock.now() + seconds(1);
                                if (!ok)
                                  ctx_.env.log.warn(
                                      "node.container.stop_failed",
                                      {{"pod", uid_}, {"container", name}, {"error", ok.error().message}});
                                look();
                              }));
}

// The hook's time is part of the grace; at least two seconds are left for the signal.
void PodWorker::pre_stop(const ContainerDef& def, const api::Json& hook, Duration grace) {
  Work& w = work(def.name);
  w.stopping = true;
  const Instant begun = ctx_.env.clock.now();
  auto then = [this, name = def.name, begun, grace] {
    const Duration used = ctx_.env.clock.now() - begun;
    stop_now(name, std::max<Duration>(seconds(2), grace - used));
  };
  if (const auto nap = api::int_at(hook, {"sleep", "seconds"})) {
    const Duration wait = std::min<Duration>(grace, seconds(std::max<int64_t>(0, *nap)));
    ctx_.env.loop.at(begun + wait, [weak = weak_from_this(), then] {
      if (const auto self = weak.lock()) then();
    });
    return;
  }
  auto action = parse_action(def, hook, view_.ip);
  if (!action) return then();
  auto done = guarded([this, name = def.name, then](Result<int> result) {
    if (!result || (*result != 0 && (*result < 200 || *result >= 400)))
      ctx_.events.warning(
          cluster_path(), *pod_, pod_->container(name), "FailedPreStopHook",
          result ? fmt::format("PreStopHook failed with {}", *result) : result.error().message);
    then();
  });
  if (action->network) {
    action->network->timeout = grace;
    ctx_.runtime.probe(*action->network, std::move(done));
  } else {
    ctx_.runtime.exec(view_.view(def.name).current->id, action->command, grace, std::move(done));
  }
}

void PodWorker::stop_sandbox() {
  const Instant now = ctx_.env.clock.now();
  if (now < sandbox_at_) return wake(sandbox_at_);
  sandbox_busy_ = true;
  ctx_.runtime.stop_sandbox(sandbox_->id, guarded([this](Result<void> ok) {
                              sandbox_busy_ = false;
                              if (!ok) {
                                sandbox_at_ = ctx_.env.clock.now() + sandbox_backoff_.next();
                                ctx_.env.log.warn("node.sandbox.stop_failed",
                                                  {{"pod", uid_}, {"error", ok.error().message}});
                                return;
                              }
                              sandbox_backoff_.reset();
                              sandbox_stopped_ = true;
                              gone_at_ = ctx_.env.clock.wall();
                              for (auto& [name, view] : view_.containers)
                                if (view.current && !view.current->id.empty()) merge(*view.current, false);
                            }));
}

void PodWorker::remove_sandbox() {
  const Instant now = ctx_.env.clock.now();
  if (now < sandbox_at_) return wake(sandbox_at_);
  sandbox_busy_ = true;
  ctx_.runtime.remove_sandbox(sandbox_->id, guarded([this](Result<void> ok) {
                                sandbox_busy_ = false;
                                if (!ok) {
                                  sandbox_at_ = ctx_.env.clock.now() + sandbox_backoff_.next();
                                  return;
                                }
                                sandbox_backoff_.reset();
                                next_attempt_ = sandbox_->attempt + 1;
                                sandbox_.reset();
                                sandbox_stopped_ = false;
                              }));
}

// Sandboxes of earlier attempts that something kept from being removed.
void PodWorker::sweep_old(const std::vector<SandboxStatus>& all) {
  for (const SandboxStatus& s : all) {
    if (!sandbox_ || s.attempt >= sandbox_->attempt || !swept_.insert(s.id).second) continue;
    ctx_.runtime.stop_sandbox(s.id, guarded([this, id = s.id](Result<void> stopped) {
                                if (!stopped) {
                                  swept_.erase(id);
                                  return;
                                }
                                ctx_.runtime.remove_sandbox(
                                    id, guarded([this, id](Result<void>) { swept_.erase(id); }));
                              }));
  }
}

void PodWorker::close() {
  if (!pod_ && !gone_) return verify();
  const bool sandbox_gone = (!sandbox_ || sandbox_stopped_) && !sandbox_busy_ && !looking_ && swept_.empty();
  const bool over = gone_ || (pod_ && stopping() && (view_.ended || !ran_) && !busy());
  if (!over || !sandbox_gone) return;
  if (ctx_.devices && ctx_.devices->holds(uid_)) return free_devices();
  const bool said =
      gone_ || !allocation_ || !allocation_->open || (pod_ && pod_->finished()) || reporter_->settled();
  if (!said) return;
  const bool open = allocation_ && allocation_->open;
  if (open) release();
  // Before its Allocation was seen nobody knows which tenant's pod this is; after it was booked, pod GC has the object.
  if (!gone_ && allocation_ && pod_->deleted_at && !sandbox_) remove_object();
  if (gone_ && !open && !sandbox_) {
    finished_ = true;
    ctx_.files.remove_pod(uid_);
    ctx_.events.forget(uid_);
    ctx_.env.loop.post([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->forgotten_(self->uid_);
    });
  }
}

void PodWorker::free_devices() {
  if (std::exchange(freeing_, true)) return;
  ctx_.devices->release(uid_, guarded([this](Result<void>) { freeing_ = false; }));
}

void PodWorker::release() {
  const Instant now = ctx_.env.clock.now();
  if (releasing_) return;
  if (now < release_at_) return wake(release_at_);
  releasing_ = true;
  const WallTime to = gone_at_.value_or(ctx_.env.clock.wall());
  ctx_.api.call(
      {.method = "PATCH",
       .path = fmt::format("/clusters/root/apis/factory.ingot.dev/v1alpha1/allocations/{}/status", uid_),
       .body = api::to_text(
           api::JsonObject{{"status", api::JsonObject{{"phase", "Released"}, {"to", to_rfc3339_micro(to)}}}}),
       .content_type = "application/merge-patch+json"},
      guarded([this](Result<Answer> answer) {
        releasing_ = false;
        if (answer && (answer->code / 100 == 2 || answer->code == 404)) {
          release_backoff_.reset();
          allocation_->open = false;
          return;
        }
        release_at_ = ctx_.env.clock.now() + release_backoff_.next();
      }));
}

// The last word on a pod that is being deleted: the API server keeps the object until its node says so.
void PodWorker::remove_object() {
  const Instant now = ctx_.env.clock.now();
  if (removing_ || removed_) return;
  if (now < remove_at_) return wake(remove_at_);
  removing_ = true;
  ctx_.api.call({.method = "DELETE",
                 .path = pod_path(),
                 .body = api::to_text(api::JsonObject{{"apiVersion", "v1"},
                                                      {"kind", "DeleteOptions"},
                                                      {"gracePeriodSeconds", 0},
                                                      {"preconditions", api::JsonObject{{"uid", uid_}}}})},
                guarded([this](Result<Answer> answer) {
                  removing_ = false;
                  const int code = answer ? answer->code : 0;
                  if (code == 404) {
                    gone_ = true;
                    return;
                  }
                  // Deleted, or finalizers of others hold it: the watch tells; asked again all the same.
                  remove_at_ = ctx_.env.clock.now() + remove_backoff_.next();
                }));
}

// An Allocation without a pod: bound a moment ago and not seen yet, or gone before this agent looked. Only the API
// server can tell, and only its answer releases.
void PodWorker::verify() {
  if (!allocation_ || !allocation_->open) {
    if (!sandbox_ && !sandbox_busy_ && !looking_) set_gone();
    return;
  }
  const Instant now = ctx_.env.clock.now();
  if (verifying_) return;
  if (now < verify_at_) return wake(verify_at_);
  verifying_ = true;
  ctx_.api.call({.method = "GET", .path = pod_path()}, guarded([this](Result<Answer> answer) {
                  verifying_ = false;
                  verify_at_ = ctx_.env.clock.now() + verify_backoff_.next();
                  if (!answer || pod_) return;
                  if (answer->code == 404) return set_gone();
                  const auto body =
                      answer->code == 200 ? api::parse_json(answer->body) : fail(Reason::NotFound, "");
                  if (body && api::string_at(*body, {"metadata", "uid"}) != uid_) set_gone();
                }));
}

}  // namespace ingot::node
