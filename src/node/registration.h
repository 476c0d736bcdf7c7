// The node's own objects in the control plane root: Node, Lease, ResourceSlice. The documents are pure; the class
// keeps them there. Thread rule: the loop.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "api/json.h"
#include "env/env.h"
#include "node/api.h"
#include "node/backoff.h"
#include "node/node_config.h"

namespace ingot::node {

inline constexpr std::string_view kGpuHealthy = "GPUHealthy";  // the Node's condition

api::JsonObject node_object(const NodeConfig&);
// status: capacity, allocatable, addresses, nodeInfo, conditions. `ready`: the agent works.
// `since`: when that changed; `gpu_since`: when the GPUs' health did.
api::JsonObject node_status(const NodeConfig&, bool ready, WallTime now, WallTime since, WallTime gpu_since);
api::JsonObject lease_object(const NodeConfig&, WallTime now);
// "gpu-0"…, one device a board; for nodes without GPUs none is made. Their parts: partitions.h.
api::JsonObject slice_object(const NodeConfig&, int64_t generation);

class Registration {
 public:
  static constexpr Duration kHeartbeat = std::chrono::seconds(10);
  // So often all is said again, changed or not, as kubelet does (nodeStatusReportFrequency): a request of an earlier life
  // of this node may have come after those of this one.
  static constexpr Duration kReport = std::chrono::minutes(5);

  Registration(env::Env&, Api&, const NodeConfig&);
  ~Registration();
  void start();
  void ready();    // pods can run from now on
  void refresh();  // the config's GPUs changed

 private:
  // One object: created where it is missing, else patched; retried until it is there.
  struct Kept {
    std::string collection, name;
    bool has_status = false;
    bool dirty = true, in_flight = false;
    Backoff backoff{std::chrono::milliseconds(200), std::chrono::seconds(10)};
    env::TimerId timer = 0;
  };
  api::JsonObject document(const Kept&) const;  // empty: it is not to be
  void keep(Kept&);
  void create(Kept&);
  void drop(Kept&);
  void keep_parts();
  void report();
  void patch_status(Kept&);
  void settled(Kept&, const Result<Answer>&, bool more);
  void heartbeat();
  void call(Call, std::move_only_function<void(Result<Answer>)>);

  env::Env& env_;
  Api& api_;
  const NodeConfig& config_;
  bool ready_ = false, spread_ = false;
  WallTime since_{}, gpu_since_{};
  bool gpus_healthy_ = true;
  int64_t generation_ = 1;
  Kept node_, lease_, slice_;
  std::deque<Kept> parts_;  // slices of partitions; those that no board fills are kept away
  env::TimerId heartbeat_ = 0;
  Instant reported_{};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace ingot::node
