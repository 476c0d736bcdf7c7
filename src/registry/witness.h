// Writes down what used what: a row of the stream `lineage` for each run that ends and used a data set, ran from a commit or
// made a version of a model, and for each version of a data set that comes or goes. Of others it writes nothing.
//
// Thread rule: the loop. Invariants: a row is written once, whatever crashes: how far it has seen the shard's changes is
// written with the rows (meta `lineage.seen`), and it goes on from there; only where that is no longer in history it looks at
// what is there now, and what came and went meanwhile is not known. A pod that is deleted before it ends is written down too.
// Rows are written when nothing else waits, kFew a turn; more than kMostWaiting, or of more than kMostBytes, are read again from
// history.
#pragma once

#include <memory>

#include "env/env.h"
#include "store/shard.h"

namespace ingot::registry {

class Witness {
 public:
  static constexpr size_t kFew = 16, kMostWaiting = 65'536, kMostGone = 2'048, kMostRuns = 100'000;
  static constexpr size_t kMostBytes = 32u << 20;  // of objects that wait; as much of those that went

  Witness(env::Env&, store::Shard&);
  ~Witness();
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // weakly held by what is on its way
};

}  // namespace ingot::registry
