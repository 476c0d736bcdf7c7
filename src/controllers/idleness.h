// GPUs that are held and unused. Every few seconds the newest looks at the boards (gpu/telemetry.h) are compared with the
// open Allocations; what its pool's policy (Pool.spec.idle, policy/idle.h) says then happens: the pod is told by a
// condition and an Event, and later evicted where that is allowed. How long an Allocation was unused stands in its
// `status.idle` ({since, seconds}), where the ledger reads it.
//
// Thread rule: the loop. Invariants: without a fresh look, or where a driver does not say how busy a part of a board is,
// nothing is idle; a stretch of idleness survives a restart of this process; an Allocation is written when a stretch
// begins or ends, never in between.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "env/env.h"
#include "gpu/telemetry.h"
#include "policy/idle.h"
#include "store/shard.h"

namespace ingot::controllers {

// The pod's condition while its GPUs are reported as unused.
inline constexpr std::string_view kGpuIdle = "factory.ingot.dev/GPUIdle";

struct IdlenessOptions {
  policy::IdlePolicy policy;  // of nodes in no pool, and of pools that say nothing
  Duration every = std::chrono::seconds(15);
  size_t allocations_per_turn = 1'000;
};

class Idleness {
 public:
  Idleness(env::Env&, store::Shard&, const gpu::Telemetry&, IdlenessOptions = {});
  ~Idleness();

  struct Stats {
    size_t idle = 0;  // Allocations now
    uint64_t reported = 0, reclaimed = 0;
  };
  Stats stats() const;
  // Since when the pod's GPUs are unused; none: they are used, or nobody knows.
  std::optional<WallTime> idle_since(std::string_view pod_uid) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot::controllers
