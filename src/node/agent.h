// One node's agent: keeps the node registered, joins pods with Allocations by uid and hands each to its PodWorker.
//
//   Agent agent(config, env, api, runtime, files);
//   agent.start();          // lists the runtime first, then watches; adopts what runs
//
// Thread rule: the loop. Destroying it ends its watches and timers and leaves every pod running (a crash, an
// upgrade); drain() ends the pods first. Everything passed in outlives it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>

#include "env/env.h"
#include "gpu/health.h"
#include "node/api.h"
#include "node/devices.h"
#include "node/events.h"
#include "node/node_config.h"
#include "node/pod_worker.h"
#include "node/registration.h"
#include "node/runtime.h"
#include "policy/images.h"

namespace ingot::node {

class Agent {
 public:
  // `devices`: nullptr where boards are given as they are (hollow nodes, the simulation).
  Agent(NodeConfig, env::Env&, Api&, Runtime&, Files&, DeviceControl* devices = nullptr);
  ~Agent();
  Agent(const Agent&) = delete;

  void start();
  // The GPUs were looked at again: a board that failed, or serves again, is told by the Node and its ResourceSlice.
  void take_samples(std::span<const gpu::Sample>);
  // The boards that pods on this node hold now, by pod uid.
  std::vector<std::pair<std::string, std::string>> held_gpus() const;
  // Ends every pod as the kubelet does when its node shuts down (phase Failed, reason Terminated), releases their
  // Allocations and calls `done`; no pod starts any more.
  void drain(std::function<void()> done);

  struct Counts {
    size_t pods = 0;     // known to this node
    size_t holding = 0;  // with a sandbox or an open Allocation
  };
  Counts counts() const;

 private:
  struct Feed;
  struct DeviceNews;
  void list_runtime();
  void listed(const std::vector<SandboxStatus>&);
  void watch();
  void begin_if_ready();
  PodWorker& worker(const std::string& uid);
  void forget(const std::string& uid);

  void reset_pods(const api::JsonArray&);
  void pod_event(std::string_view type, api::Json);
  void put_pod(api::Json);
  void reset_allocations(const api::JsonArray&);
  void allocation_event(std::string_view type, api::Json);
  void reset_images(const api::JsonArray&);
  void image_event(std::string_view type, api::Json);
  void publish_gpus();
  void poke_all();
  void check_drained();

  NodeConfig config_;
  gpu::Health health_;
  env::Env& env_;
  Api& api_;
  Runtime& runtime_;
  policy::Images images_;
  Events events_;
  gpu::Inventory sampled_;  // config_.gpus before what devices_ knows of them
  std::unique_ptr<DeviceNews> device_news_;
  std::unique_ptr<Devices> devices_;
  WorkerContext ctx_;
  Registration registration_;
  std::map<std::string, std::shared_ptr<PodWorker>> workers_;  // by pod uid
  bool listed_ = false, have_pods_ = false, have_allocations_ = false, have_images_ = false;
  std::unique_ptr<Watch> pods_watch_, allocations_watch_, images_watch_;
  Backoff list_backoff_{std::chrono::milliseconds(500), std::chrono::seconds(10)};
  env::TimerId timer_ = 0;
  bool draining_ = false;
  std::function<void()> drained_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace ingot::node
