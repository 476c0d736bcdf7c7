// Watches the Git remotes of all tenants' Repositories, and starts the pipeline of what was pushed.
//
// A look at a remote is due every spec.interval, when the object is new or changed, and when somebody asks for one
// (git/repository.h: kSyncAnnotation, which webhooks and `ingot repo sync` set). What a look finds is written in one turn:
// the Workflows, and in the Repository's status the commits that they are for. So a crash forgets both or neither, and the
// next look finds what is left; a Workflow's name follows from its commit, so nothing starts twice.
//
// Thread rule: the loop; `worker` reads pipelines and signatures beside it. Invariants: one look at a repository at a time; everything known of one can be read again from it.
#pragma once

#include <memory>
#include <optional>

#include "api/registry.h"
#include "env/env.h"
#include "env/git.h"
#include "store/shard.h"

namespace ingot::pipelines {

class Repositories {
 public:
  Repositories(env::Env&, store::Shard&, const api::Registry&, env::Git&, env::Worker&);
  ~Repositories();
  Repositories(const Repositories&) = delete;
  Repositories& operator=(const Repositories&) = delete;

  struct Stats {
    size_t watched = 0, failing = 0;
    std::optional<WallTime> synced;  // when any was read last
    uint64_t looks = 0, failed = 0, started = 0;
  };
  Stats stats() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // weakly held by what is on its way
};

}  // namespace ingot::pipelines
