// Probes over the network, from the node to a pod: HTTP(S) GET and TCP connect. A pod's answer is a stranger's: only
// the status line and headers are read, at most 16 KiB, within the probe's timeout.
// Thread rule: probe() and the destructor on the loop's thread; the sockets live on a thread of their own.
#pragma once

#include <memory>

#include "env/env.h"
#include "node/runtime.h"

namespace ingot::host {

class Prober {
 public:
  explicit Prober(env::Loop&);
  ~Prober();  // no callback runs after
  void probe(const node::Runtime::NetProbe&, node::Callback<int>);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot::host
