// Keeps the store of blobs in step with the objects: tenants' limits (Tenant.spec.storage.limit), a deleted tenant's
// blobs, uploads left alone, and what no object names any more.
//
// A round looks at one cluster after another: what is there (off the loop), what its objects name (in a turn, and only once
// that is durable), what those blobs name in turn and what may go (off the loop again, data/sweep.h). Thread rule: the
// loop; `worker` does what waits, and is nobody else's. Invariants: a blob goes only if it was named by nobody in a durable
// state that is younger than the look at it, and was neither stored nor asked for within the grace; a cluster's
// directory goes only if no Tenant had it in two rounds.
#pragma once

#include <memory>
#include <vector>

#include "controllers/blob_roots.h"
#include "env/env.h"

namespace ingot::controllers {

struct BlobKeeperOptions {
  Duration every = std::chrono::minutes(10);
  Duration grace = std::chrono::hours(1);
  Duration uploads = std::chrono::hours(24);
};

class BlobKeeper {
 public:
  BlobKeeper(env::Env&, store::Shard&, env::Blobs&, env::Worker&, std::vector<std::unique_ptr<BlobRoots>>,
             BlobKeeperOptions = {});
  ~BlobKeeper();

  struct Stats {
    uint64_t rounds = 0, blobs_removed = 0, bytes_removed = 0, uploads_expired = 0, clusters_removed = 0;
  };
  Stats stats() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // weakly held by what is on its way
};

}  // namespace ingot::controllers
