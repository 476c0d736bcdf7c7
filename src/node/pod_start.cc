// PodWorker: towards running. Sandbox and configuration are prepared at the same time; each callback takes the next
// step at once.
#include <fmt/format.h>

#include <algorithm>

#include "node/container_spec.h"
#include "node/pod_worker.h"
#include "node/restart.h"

namespace ingot::node {
using std::chrono::seconds;

namespace {
constexpr Duration kConfigRefresh = seconds(60);
constexpr Instant kNever = Instant::max();
}  // namespace

void PodWorker::run_pod() {
  ensure_sandbox();
  ensure_config();
  ensure_devices();
  ensure_artifacts();
  start_containers();
}

void PodWorker::ensure_sandbox() {
  if (sandbox_busy_ || looking_ || look_again_) return;
  if (sandbox_ && sandbox_->ready && !sandbox_stopped_) return;
  if (sandbox_) return sandbox_stopped_ ? remove_sandbox() : stop_sandbox();
  const Instant now = ctx_.env.clock.now();
  if (now < sandbox_at_) return wake(sandbox_at_);
  sandbox_busy_ = ran_ = true;
  ctx_.runtime.run_sandbox(sandbox_spec(*pod_, *allocation_, ctx_.files, next_attempt_),
                           guarded([this](Result<std::string> id) {
                             sandbox_busy_ = false;
                             look();  // its address; or what a failed attempt left
                             if (id) return sandbox_backoff_.reset();
                             sandbox_at_ = ctx_.env.clock.now() + sandbox_backoff_.next();
                             ctx_.events.warning(cluster_path(), *pod_, nullptr, "FailedCreatePodSandBox",
                                                 "Failed to create pod sandbox: " + id.error().message);
                           }));
}

void PodWorker::ensure_config() {
  if (ctx_.config.hollow) {
    config_ready_ = true;
    return;
  }
  if (fetcher_ || preparing_) return;
  if (ctx_.env.clock.now() < fetch_at_) {
    if (fetch_at_ != kNever) wake(fetch_at_);
    return;
  }
  if (refs_.empty()) return use_config(PodConfig{});
  fetcher_ = std::make_unique<ConfigFetcher>(ctx_.env, ctx_.api, cluster_path(), *pod_, refs_, config_,
                                             ctx_.config.ca_pem, [this](Result<PodConfig> got) {
                                               fetcher_.reset();
                                               use_config(std::move(got));
                                               poke();
                                             });
}

void PodWorker::ensure_devices() {
  if (devices_ready_ || devices_asked_) return;
  if (!ctx_.devices || allocation_->devices.empty()) {
    for (const HeldDevice& d : allocation_->devices) grants_.emplace_back(d.uuid);
    devices_ready_ = true;
    return;
  }
  devices_asked_ = true;
  ctx_.devices->acquire(*allocation_, guarded([this](Result<std::vector<Grant>> got) {
    devices_asked_ = false;
    if (stopping()) return;
    if (got) {
      grants_ = std::move(*got);
      devices_ready_ = true;
      return;
    }
    ctx_.events.warning(cluster_path(), *pod_, nullptr, "DeviceUnavailable", got.error().message);
    view_.disrupted = true;
    end("DeviceUnavailable", got.error().message);
  }));
}

// Their files are the user's whom the main container runs as.
void PodWorker::ensure_artifacts() {
  if (!step_ || step_->ready || step_->bringing) return;
  if (step_->step.brought.empty()) {
    step_->ready = true;
    return;
  }
  if (!sandbox_ || !sandbox_->ready || sandbox_stopped_ || sandbox_busy_ || !config_ready_) return;
  const auto failed = [this](const std::string& why) {
    ctx_.events.warning(cluster_path(), *pod_, nullptr, kArtifactsNotReady, why);
    end(std::string(kArtifactsNotReady), why);
  };
  auto artifacts = artifacts_in(step_->step, ctx_.config.hollow ? nullptr : &config_);
  if (!artifacts) return failed(artifacts.error().message);
  Bring ask{.sandbox = sandbox_->id,
            .cluster = allocation_->cluster,
            .directory = ctx_.files.artifact_directory(uid_),
            .hosts = hosts_file(*pod_, view_.ip),
            .artifacts = *std::move(artifacts),
            .stop = std::make_shared<std::atomic<bool>>(false)};
  if (const ContainerDef* main = pod_->container(step_->step.containers.front()))
    for (const auto& [field, to] : {std::pair{"runAsUser", &ask.user}, std::pair{"runAsGroup", &ask.group}})
      for (const auto id : {api::int_at(*main->spec, {"securityContext", field}),
                            api::int_at(pod_->object, {"spec", "securityContext", field})})
        if (id && *id > 0 && *to == 0) *to = *id;
  step_->stop = ask.stop;
  step_->bringing = true;
  ctx_.runtime.bring(ask, guarded([this, failed](Result<Brought> got) {
                       step_->bringing = false;
                       if (stopping()) return;
                       if (!got) return failed(got.error().message);
                       step_->brought = *std::move(got);
                       step_->ready = true;
                     }));
}

void PodWorker::use_config(Result<PodConfig> got) {
  const Instant now = synced_at_ = ctx_.env.clock.now();
  Result<void> synced;
  if (got) {
    config_ = std::move(*got);
    if (prepare_datasets()) return;
    synced = volumes_->sync(*pod_, config_, facts_of(ctx_.config, view_.ip));
  } else {
    synced = fail(got.error());
  }
  if (!synced) {
    fetch_at_ = now + config_backoff_.next();
    wake(fetch_at_);
    ctx_.events.warning(cluster_path(), *pod_, nullptr, "FailedMount", synced.error().message);
    if (config_ready_) return;  // what runs keeps what it has
    for (const ContainerDef& def : pod_->containers) {
      ContainerView& view = view_.containers[def.name];
      if (view.current) continue;
      view.waiting_reason = def.init || initialized(view_) ? "ContainerCreating" : "PodInitializing";
      view.waiting_message = synced.error().message;
    }
    return;
  }
  config_ready_ = true;
  config_backoff_.reset();
  fetch_at_ = kNever;
  const bool only_ca = refs_.config_maps.size() == 1 && refs_.config_maps.contains("kube-root-ca.crt");
  const bool may_change =
      !refs_.secrets.empty() || (!refs_.config_maps.empty() && (!only_ca || ctx_.config.ca_pem.empty()));
  if (may_change)
    fetch_at_ = now + kConfigRefresh + std::chrono::milliseconds(ctx_.env.entropy.next() % 10'000);
  for (const auto& [ref, token] : config_.tokens)
    fetch_at_ =
        std::min(fetch_at_, now + std::max<Duration>(seconds(1), token.renew_at() - ctx_.env.clock.wall()));
  if (fetch_at_ != kNever) wake(fetch_at_);
  for (auto& [name, view] : view_.containers) {
    if (view.waiting_reason == "ContainerCreating" || view.waiting_reason == "PodInitializing") {
      view.waiting_reason.clear();
      view.waiting_message.clear();
    }
    if (view.waiting_reason == "CreateContainerConfigError") work(name).retry_at = now;
  }
}

bool PodWorker::prepare_datasets() {
  if (refs_.dataset_versions.empty()) return false;
  DatasetsWanted wanted{.cluster = allocation_->cluster,
                        .marks = ctx_.files.dataset_marks(uid_),
                        .manifests = volumes_->missing_datasets(*pod_, config_),
                        .stop = std::make_shared<std::atomic<bool>>(false)};
  if (wanted.manifests.empty()) return false;
  preparing_ = true;
  stop_preparing_ = wanted.stop;
  ctx_.runtime.datasets(
      wanted, guarded([this, asked = wanted.manifests](Result<std::vector<std::string>> got) {
        preparing_ = false;
        if (stopping()) return;
        if (!got)
          return use_config(fail(got.error().reason, "MountVolume.SetUp failed for a volume of " +
                                                         std::string(kDatasetDriver) + " : " +
                                                         got.error().message));
        for (size_t i = 0; i < asked.size() && i < got->size(); ++i)
          volumes_->put_dataset(asked[i], (*got)[i]);
        use_config(config_);
      }));
  return true;
}

void PodWorker::start_containers() {
  if (!sandbox_ || !sandbox_->ready || sandbox_stopped_ || sandbox_busy_ || !config_ready_ ||
      !devices_ready_ || !artifacts_ready())
    return;
  const bool init_over = initialized(view_);
  for (const ContainerDef& def : pod_->containers) {
    if (def.init && !def.sidecar && init_over) continue;
    if (!advance(def) && def.init && !init_over) return;
  }
}

bool PodWorker::advance(const ContainerDef& def) {
  ContainerView& view = view_.containers[def.name];
  Work& w = work(def.name);
  const bool passable = def.sidecar ? view.started : !def.init;
  if (w.busy || w.stopping || view.running()) return passable;
  const Instant now = ctx_.env.clock.now();
  if (view.exited()) {
    if (!restarts(*pod_, def, *view.current)) return view.current->exit_code == 0;
    if (w.restart && now < w.restart->second) {
      wake(w.restart->second);
      return passable;
    }
  }
  if (now < w.retry_at) {
    wake(w.retry_at);
    return passable;
  }
  if (!view.current && !may_follow(def)) return passable;
  if (asks(def))
    ask(def);
  else
    start_container(def);
  return passable;
}

// Whether those that it comes after have ended well. If one has not, it never starts, and has failed as well.
bool PodWorker::may_follow(const ContainerDef& def) {
  constexpr int32_t kNotStarted = 64;  // as Argo's executor ends one whose dependencies failed
  ContainerView& view = view_.containers[def.name];
  view.follows = false;
  for (const std::string& before : def.after) {
    const ContainerView& other = view_.view(before);
    const ContainerDef* of = pod_->container(before);
    if (!other.exited() || (of && restarts(*pod_, *of, *other.current))) {
      view.follows = true;
      view.waiting_reason = "DependencyPending";
      view.waiting_message = fmt::format("starts after container \"{}\"", before);
      return false;
    }
    if (other.current->exit_code == 0) continue;
    view.waiting_reason.clear();
    view.waiting_message.clear();
    const WallTime now = ctx_.env.clock.wall();
    merge({.name = def.name,
           .state = ContainerState::Exited,
           .created_at = now,
           .started_at = now,
           .finished_at = now,
           .exit_code = kNotStarted,
           .reason = std::string(kDependencyFailed),
           .message = fmt::format("container \"{}\" failed", before)},
          true);
    poke();
    return false;
  }
  return true;
}

void PodWorker::start_container(const ContainerDef& def) {
  ContainerView& view = view_.containers[def.name];
  Work& w = work(def.name);
  if (view.current && view.current->state == ContainerState::Created && !view.current->id.empty()) {
    w.busy = true;  // an earlier life of this agent made it and did not get to start it
    return created(def.name, view.current->id);
  }
  std::string image = def.image;
  if (!ctx_.config.hollow) {
    auto digest = ctx_.images.find(allocation_->tenant, def.image);
    // No timer: a new Image object wakes every worker.
    if (!digest)
      return create_failed(
          def, digest.error(),
          digest.error().reason == Reason::NotFound ? "ImagePullBackOff" : "InvalidImageName");
    image = std::move(*digest);
  }
  const uint32_t attempt = view.current ? view.current->attempt + 1 : 0;
  auto spec = container_spec({.node = ctx_.config,
                              .pod = *pod_,
                              .def = def,
                              .allocation = *allocation_,
                              .grants = grants_,
                              .config = config_,
                              .volumes = *volumes_,
                              .files = ctx_.files,
                              .image = image,
                              .pod_ip = view_.ip,
                              .attempt = attempt});
  if (!spec) {
    w.retry_at = ctx_.env.clock.now() + w.backoff.next();
    fetch_at_ = std::min(fetch_at_, w.retry_at);
    wake(w.retry_at);
    return create_failed(def, spec.error(), "CreateContainerConfigError");
  }
  if (step_ && std::ranges::find(step_->step.containers, def.name) != step_->step.containers.end())
    for (Mount& m : artifact_mounts(step_->step, ctx_.files.artifact_directory(uid_), step_->brought))
      spec->mounts.push_back(std::move(m));
  if (!ctx_.config.hollow)
    ctx_.events.normal(cluster_path(), *pod_, &def, "Pulled",
                       fmt::format("Container image \"{}\" already present on machine", def.image));
  view.waiting_reason.clear();
  view.waiting_message.clear();
  w.busy = true;
  ctx_.runtime.create_container(sandbox_->id,
                                sandbox_spec(*pod_, *allocation_, ctx_.files, sandbox_->attempt), *spec,
                                guarded([this, name = def.name, attempt, image](Result<std::string> id) {
                                  Work& w = work(name);
                                  const ContainerDef* def = pod_->container(name);
                                  if (!id) {
                                    w.busy = false;
                                    w.retry_at = ctx_.env.clock.now() + w.backoff.next();
                                    look();
                                    return create_failed(*def, id.error(), "CreateContainerError");
                                  }
                                  merge({.id = *id,
                                         .name = name,
                                         .attempt = attempt,
                                         .state = ContainerState::Created,
                                         .image_ref = image,
                                         .created_at = ctx_.env.clock.wall()},
                                        true);
                                  if (!ctx_.config.hollow)
                                    ctx_.events.normal(cluster_path(), *pod_, def, "Created",
                                                       fmt::format("Container created: {}", name));
                                  created(name, std::move(*id));
                                }));
}

void PodWorker::create_failed(const ContainerDef& def, const Error& error, std::string_view reason) {
  ContainerView& view = view_.containers[def.name];
  if (view.waiting_reason == reason && view.waiting_message == error.message) return;
  view.waiting_reason = reason;
  view.waiting_message = error.message;
  ctx_.events.warning(cluster_path(), *pod_, &def, "Failed",
                      fmt::format("Error: {}: {}", reason, error.message));
}

void PodWorker::created(const std::string& name, std::string id) {
  if (stopping()) {
    work(name).busy = false;
    return;
  }
  ctx_.runtime.start_container(id, guarded([this, name](Result<void> ok) {
                                 Work& w = work(name);
                                 w.busy = false;
                                 look();
                                 if (ok) return running(name);
                                 ContainerStatus c = *view_.containers[name].current;
                                 c.state = ContainerState::Exited;
                                 c.exit_code = 128;
                                 c.reason = "StartError";
                                 c.message = ok.error().message;
                                 c.started_at = c.finished_at = ctx_.env.clock.wall();
                                 ctx_.events.warning(cluster_path(), *pod_, pod_->container(name), "Failed",
                                                     "Error: " + c.message);
                                 merge(c, true);
                               }));
}

void PodWorker::running(const std::string& name) {
  Work& w = work(name);
  w.backoff.reset();
  w.stop_grace.reset();
  ContainerView& view = view_.containers[name];
  ContainerStatus c = *view.current;
  if (c.state == ContainerState::Created) {
    c.state = ContainerState::Running;
    c.started_at = ctx_.env.clock.wall();
    merge(c, true);
  }
  const ContainerDef* def = pod_->container(name);
  if (!ctx_.config.hollow) {
    ctx_.env.log.info("node.container.started",
                      {{"pod", uid_},
                       {"container", name},
                       {"since_bound_us", (ctx_.env.clock.wall() - allocation_->from).count()}});
    ctx_.events.normal(cluster_path(), *pod_, def, "Started", fmt::format("Container started: {}", name));
  }
  // Of the exited ones the last is kept for `logs --previous`.
  for (const ContainerStatus& old : sandbox_ ? sandbox_->containers : std::vector<ContainerStatus>{})
    if (old.name == name && old.attempt + 1 < c.attempt)
      ctx_.runtime.remove_container(old.id, [](Result<void>) {});
  post_start(*def);
}

void PodWorker::post_start(const ContainerDef& def) {
  const api::Json* hook = api::find(*def.spec, {"lifecycle", "postStart"});
  if (!hook || ctx_.config.hollow) return;
  auto action = parse_action(def, *hook, view_.ip);
  if (!action) return;
  auto done = guarded([this, name = def.name, net = action->network.has_value()](Result<int> result) {
    if (result && (net ? *result >= 200 && *result < 400 : *result == 0)) return;
    const ContainerDef* def = pod_->container(name);
    ctx_.events.warning(
        cluster_path(), *pod_, def, "FailedPostStartHook",
        result ? fmt::format("PostStartHook failed with {}", *result) : result.error().message);
    stop_container(*def, grace());
  });
  if (action->network) {
    action->network->timeout = seconds(30);
    ctx_.runtime.probe(*action->network, std::move(done));
  } else {
    ctx_.runtime.exec(view_.containers[def.name].current->id, action->command, seconds(pod_->grace_s),
                      std::move(done));
  }
}

void PodWorker::watch_probes(const ContainerDef& def) {
  const ContainerView& view = view_.view(def.name);
  Work& w = work(def.name);
  if (!view.running() || view.current->id.empty()) {
    w.probes.reset();
    return;
  }
  if (w.probes && w.probed_attempt == view.current->attempt) return;
  w.probes = std::make_unique<ContainerProbes>(ctx_.env, ctx_.runtime, w, def, view.current->id, view_.ip);
  w.probed_attempt = view.current->attempt;
}

}  // namespace ingot::node
