// Runs the workflows of all tenants: follows Workflows and their pods, tells each run what happened (workflow/run.h), and
// in the same turn writes what it wants: its nodes, its pods, and what the Workflow's status says.
//
// Nodes are rows of their own: objects of `workflownodes`, "WORKFLOW:NODE", which the API server puts into the Workflow
// that it shows. So a run of 50,000 nodes writes what changed, not itself.
//
// Thread rule: the loop. Invariants: a node and its pod are one turn's writes; everything a run knows can be read again
// from its Workflow and its rows, and is, after a failed commit or when somebody else wrote the Workflow.
#pragma once

#include <memory>

#include "api/registry.h"
#include "env/env.h"
#include "pipelines/judge.h"
#include "pipelines/requests.h"
#include "store/shard.h"

namespace ingot::pipelines {

struct EngineStats {
  size_t runs = 0;  // that go on, now
  uint64_t begun = 0, ended = 0;
};

class Engine {
 public:
  // `requests`, which outlive it: for what steps do under their service accounts.
  // `judge`: is asked before a run's first node; none: nobody is.
  Engine(env::Env&, store::Shard&, const api::Registry&, Requests* requests = nullptr, Judge judge = {});
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  EngineStats stats() const;
  void judge_again();  // runs that are held: the judge may say otherwise now

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot::pipelines
