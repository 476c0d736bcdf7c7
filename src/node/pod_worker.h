// One pod on this node, from the moment it is known until nothing of it is left. Level-triggered: every step is
// derived from what is desired (the pod, its Allocation) and what is observed (its sandboxes), never from what was
// sent before; after a crash the same steps follow from Runtime::list().
//
// Thread rule: the loop; callbacks of ports reach a worker only while it lives. Invariants: no sandbox and no
// container starts without an open Allocation; at most one runtime operation a container and one for the sandbox is
// in flight; a container that runs is never started again; none starts before its devices are ready; the Allocation is
// released only when the sandbox is gone and its devices were taken back.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "env/env.h"
#include "node/api.h"
#include "node/backoff.h"
#include "node/config.h"
#include "node/devices.h"
#include "node/events.h"
#include "node/node_config.h"
#include "node/pod.h"
#include "node/probes.h"
#include "node/reporter.h"
#include "node/runtime.h"
#include "node/status.h"
#include "node/step.h"
#include "node/volumes.h"
#include "policy/images.h"

namespace ingot::node {

// What all workers of a node share.
struct WorkerContext {
  const NodeConfig& config;
  env::Env& env;
  Api& api;
  Runtime& runtime;
  Files& files;
  policy::Images& images;
  Events& events;
  Devices* devices = nullptr;  // where boards are not cut or cleared
  bool started = false;        // everything was listed once; before that no worker acts
};

class PodWorker : public std::enable_shared_from_this<PodWorker> {
 public:
  // `forgotten(uid)` runs once, posted, when nothing is left: the worker may then be dropped.
  PodWorker(WorkerContext&, std::string uid, std::function<void(const std::string&)> forgotten);
  ~PodWorker();
  PodWorker(const PodWorker&) = delete;

  void set_pod(PodPtr);
  void set_gone();  // the object does not exist any more; its uid never comes back
  void set_allocation(Allocation);
  void observe(const std::vector<SandboxStatus>& all_of_this_pod);
  void look();  // asks the runtime, then observes
  // The node ends the pod: DeadlineExceeded, OutOfpods, Terminated (shutdown)…
  void end(std::string reason, std::string message);
  void poke();  // something outside changed: sync() soon

  bool has_pod() const { return pod_ != nullptr; }
  bool gone() const { return gone_; }
  const std::optional<Allocation>& allocation() const { return allocation_; }
  bool holds() const {
    return sandbox_.has_value() || (allocation_ && allocation_->open);
  }  // machine or ledger
  bool has_sandbox() const { return sandbox_.has_value(); }
  bool active() const { return pod_ && !gone_ && !view_.ended && !pod_->finished(); }

 private:
  struct Work;  // one container's: probes, back-off, the operation in flight
  // Of a step of a workflow: what it needs, and whether it has it.
  struct StepWork {
    Step step;
    Brought brought;
    bool ready = false, bringing = false, asking = false;
    Stop stop;  // of what is on its way
  };
  friend struct Work;

  void sync();
  void update();  // the view from what is known
  void update_container(const ContainerDef&);
  bool complete() const;  // every container that counts ended, none will run again
  bool stopping() const;
  bool anything_running() const;
  bool busy() const;

  // pod_start.cc
  void run_pod();
  void ensure_sandbox();
  void ensure_config();
  void ensure_devices();
  void ensure_artifacts();
  bool artifacts_ready() const { return !step_ || step_->ready; }
  void stop_artifacts();  // that nobody waits for
  bool config_ready() const { return config_ready_; }
  void use_config(Result<PodConfig>);
  bool prepare_datasets();  // true: some are on their way, and use_config() follows
  bool may_follow(const ContainerDef&);
  void start_containers();
  bool advance(const ContainerDef&);  // starts it if due; true when it stands no longer in others' way
  void start_container(const ContainerDef&);
  bool asks(const ContainerDef&) const;  // a request stands in for it
  void ask(const ContainerDef&);
  void answered(const Result<HttpAnswer>&);
  void create_failed(const ContainerDef&, const Error&, std::string_view reason);
  void created(const std::string& name, std::string id);
  void running(const std::string& name);
  void post_start(const ContainerDef&);
  void watch_probes(const ContainerDef&);

  // pod_stop.cc
  void wind_down();
  Duration grace() const;
  void stop_container(const ContainerDef&, Duration grace);
  void stop_now(const std::string& name, Duration grace);
  void pre_stop(const ContainerDef&, const api::Json& hook, Duration grace);
  void stop_sandbox();
  void remove_sandbox();
  void sweep_old(const std::vector<SandboxStatus>&);
  void close();
  void free_devices();
  void release();
  void remove_object();
  void verify();

  // Helpers.
  std::string cluster_path() const;
  std::string pod_path() const;
  void wake(Instant);  // sync() no later than then
  void report();
  bool settled();
  void collect();  // what a step left
  void merge(const ContainerStatus&, bool sandbox_ready);
  Work& work(const std::string& name);
  template <class F>
  auto guarded(F f);  // runs f only while this worker lives, then pokes

  WorkerContext& ctx_;
  const std::string uid_;
  std::function<void(const std::string&)> forgotten_;

  PodPtr pod_;
  bool gone_ = false;
  std::optional<Allocation> allocation_;
  std::optional<SandboxStatus> sandbox_;  // the newest attempt's
  bool sandbox_busy_ = false, sandbox_stopped_ = false;
  uint32_t next_attempt_ = 0;
  std::set<std::string> swept_;      // older sandboxes being removed
  bool ran_ = false;                 // a sandbox of it existed in this life of the agent
  std::optional<WallTime> gone_at_;  // when the sandbox went
  PodView view_;
  api::JsonArray conditions_;       // as reported last
  std::unique_ptr<StepWork> step_;  // null: it is none
  bool collecting_ = false;
  std::string outputs_;  // of a step; "": not known
  std::map<std::string, std::unique_ptr<Work>, std::less<>> work_;

  ConfigRefs refs_;
  PodConfig config_;
  bool config_ready_ = false;
  bool preparing_ = false;  // data sets
  Stop stop_preparing_;
  std::unique_ptr<ConfigFetcher> fetcher_;
  Instant fetch_at_{}, synced_at_{};
  std::unique_ptr<PodVolumes> volumes_;

  std::vector<Grant> grants_;
  bool devices_ready_ = false, devices_asked_ = false, freeing_ = false;

  std::unique_ptr<Reporter> reporter_;
  bool looking_ = false, look_again_ = false;
  bool releasing_ = false, removing_ = false, verifying_ = false, removed_ = false;
  Instant look_at_{}, release_at_{}, remove_at_{}, verify_at_{}, sandbox_at_{};
  Backoff sandbox_backoff_{std::chrono::seconds(1), std::chrono::seconds(60)};
  Backoff config_backoff_{std::chrono::seconds(1), std::chrono::seconds(60)};
  Backoff release_backoff_{std::chrono::milliseconds(500), std::chrono::seconds(30)};
  Backoff remove_backoff_{std::chrono::milliseconds(500), std::chrono::seconds(30)};
  Backoff verify_backoff_{std::chrono::seconds(1), std::chrono::seconds(30)};

  bool poked_ = false, finished_ = false;
  std::optional<Instant> wake_at_, tell_at_;
  env::TimerId timer_ = 0;
};

struct PodWorker::Work final : ContainerProbes::Listener {
  Work(PodWorker& o, std::string n) : owner(o), name(std::move(n)) {}
  void probes_changed() override;
  void probe_failed(ProbeKind, const std::string& message) override;
  void kill(ProbeKind, std::optional<int64_t> grace_s) override;

  PodWorker& owner;
  std::string name;
  bool busy = false;                   // create or start is in flight
  bool stopping = false;               // stop is in flight
  std::optional<Duration> stop_grace;  // the grace it was last stopped with
  Instant stop_at{};                   // not again before
  int streak = -1;                     // restarts in a row; −1: not counted yet
  Instant retry_at{};                  // after a failed create
  Backoff backoff{std::chrono::seconds(1), std::chrono::seconds(60)};
  std::optional<std::pair<uint32_t, Instant>> restart;  // of the attempt that exited: when the next may start
  std::unique_ptr<ContainerProbes> probes;
  uint32_t probed_attempt = 0;
};

template <class F>
auto PodWorker::guarded(F f) {
  return [weak = weak_from_this(), f = std::move(f)](auto result) mutable {
    const auto self = weak.lock();
    if (!self) return;
    f(std::move(result));
    self->poke();
  };
}

}  // namespace ingot::node
