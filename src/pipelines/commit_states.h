// Tells Git hosts how the runs of their commits go, where a Repository names a token (spec.statusTokenRef): pending while
// one runs, then success, failure or error. What was told last of a run that is over is an annotation of its Workflow.
//
// Thread rule: the loop. Invariants: one report of a Workflow at a time; what fails is tried kTries times with growing
// pauses, and then said in the Repository's condition Reported. After a restart a run that goes on may be told once more.
#pragma once

#include <memory>

#include "env/env.h"
#include "env/git.h"
#include "store/shard.h"

namespace ingot::pipelines {

class CommitStates {
 public:
  CommitStates(env::Env&, store::Shard&, env::Git&);
  ~CommitStates();
  CommitStates(const CommitStates&) = delete;
  CommitStates& operator=(const CommitStates&) = delete;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // weakly held by what is on its way
};

}  // namespace ingot::pipelines
