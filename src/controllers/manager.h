// The driver of all controllers: one subscription to the whole shard, a small index, one queue of keys. In a turn it
// reconciles up to `keys_per_turn` keys against that turn's state and writes their plans at once, so a reconciler
// never works on what is not the newest.
//
// Thread rule: the loop. Invariants: nothing is remembered that could not be read from the objects again; a key whose
// turn did not become durable comes again; nothing is reconciled before the index has seen every live object.
#pragma once

#include <memory>

#include "controllers/plan.h"
#include "env/env.h"
#include "store/shard.h"

namespace ingot::controllers {

struct ManagerOptions {
  size_t keys_per_turn = 64;
  size_t queue_limit =
      1'000'000;  // keys waiting; beyond it everything is listed again once the queue is empty
};

struct ManagerStats {
  size_t waiting = 0;  // keys, with those that wait for a time
  uint64_t reconciled = 0, failed = 0;
};

class Manager {
 public:
  Manager(env::Env&, store::Shard&, Facts, ManagerOptions = {});
  ~Manager();
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  ManagerStats stats() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // weakly held by what the loop and the shard still have of it
};

}  // namespace ingot::controllers
