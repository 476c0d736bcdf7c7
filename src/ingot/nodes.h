// The nodes of this process: an agent each, on a runtime of its kind: containerd, or none (hollow nodes, whose pods
// follow a script).
// Thread rule: the loop. Everything passed in outlives it.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "apiserver/server.h"
#include "env/env.h"
#include "gpu/telemetry.h"
#include "node/device_control.h"
#include "node/node_config.h"
#include "node/runtime.h"

namespace ingot {

// "2x8xH100-80GB" as hollow nodes "hollow-0", "hollow-1"…; "" = none.
Result<std::vector<node::NodeConfig>> hollow_nodes(const std::string& shorthand,
                                                   const std::string& factory_id);

class Nodes {
 public:
  Nodes(env::Env&, apiserver::Server&, gpu::Telemetry&);
  ~Nodes();  // leaves pods as they are

  void add_hollow(node::NodeConfig, node::ArtifactStore&);
  void add(node::NodeConfig, std::unique_ptr<node::Runtime>, std::unique_ptr<node::Files>,
           std::unique_ptr<node::DeviceControl> = nullptr);
  void start();
  // What a node's boards said, or why nothing was heard. Returns the boards that pods hold there now.
  std::set<std::string> heard(const std::string& node, Result<std::vector<gpu::Sample>>);
  // Ends every pod of every node, then calls `done`.
  void drain(std::function<void()> done);
  std::string describe() const;  // "2 nodes, 16 GPUs (simulated)"

 private:
  struct One;
  One& add_node(node::NodeConfig, std::unique_ptr<node::Runtime>, std::unique_ptr<node::Files>,
                std::unique_ptr<node::DeviceControl>);
  env::Env& env_;
  apiserver::Server& server_;
  gpu::Telemetry& telemetry_;
  std::vector<std::unique_ptr<One>> nodes_;
  size_t gpus_ = 0;
  bool simulated_ = false;
};

}  // namespace ingot
