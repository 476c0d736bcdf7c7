// Nodes that fall silent, come back or go. A node whose Lease was not renewed for `silence` gets Ready=Unknown and the
// unreachable taints; its pods are not ready and, once their toleration ends (300 s by default), deleted as the API
// would: they stay, terminating, until the node confirms or somebody forces it. Their Allocations stay open meanwhile,
// for the containers may still run. When a silent node's object is deleted there is no one left to confirm: its
// Allocations are released as of its last heartbeat (as of now, where no Lease is left to tell).
//
// Thread rule: the loop. Silence is measured on our own clock from when a renewal was seen, so nodes' clocks do not
// matter, and a restart gives every node the full time again.
#pragma once

#include <cstdint>
#include <memory>

#include "env/env.h"
#include "store/shard.h"

namespace ingot::controllers {

struct NodeLifecycleOptions {
  Duration silence = std::chrono::seconds(40);
  size_t nodes_per_turn = 64;
};

class NodeLifecycle {
 public:
  NodeLifecycle(env::Env&, store::Shard&, NodeLifecycleOptions = {});
  ~NodeLifecycle();
  uint64_t evicted() const;  // pods

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot::controllers
