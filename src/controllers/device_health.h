// What a faulty GPU means for who holds it. The node says in its ResourceSlice which devices may not be given
// (`healthy`, `unhealthyReason`); the scheduler gives them to nobody, and here the pods that hold one are evicted with
// that reason, to run elsewhere. When the device serves again the node's Events say so.
//
// Thread rule: the loop. Invariants: nothing is remembered that the objects do not say; a pod on a sound device is
// never touched; a pod that could not be written is tried again.
#pragma once

#include <cstdint>
#include <memory>

#include "env/env.h"
#include "store/shard.h"

namespace ingot::controllers {

class DeviceHealth {
 public:
  DeviceHealth(env::Env&, store::Shard&);
  ~DeviceHealth();
  struct Stats {
    size_t unhealthy = 0;  // devices now
    uint64_t evicted = 0;  // pods
  };
  Stats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot::controllers
