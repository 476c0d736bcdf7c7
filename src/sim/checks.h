// What every run must satisfy, whatever happened: no device held twice, no read across tenants, what scheduling_checks.h
// says of the scheduler, a list equals its replayed watch, metered equals allocated, nothing acknowledged lost, and
// everything comes to rest once the faults stop. Each violation is one line.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "sim/budget_checks.h"
#include "sim/network.h"
#include "sim/scheduling_checks.h"
#include "sim/truth.h"
#include "sim/user.h"
#include "sim/workflow_checks.h"
#include "store/shard.h"

namespace ingot::sim {

// Follows a collection of every cluster by list and watch, as a client would; at rest it must equal the list.
class Replay final : public node::Api::Sink {
 public:
  void reset(const api::JsonArray& items) override;
  void event(std::string_view type, api::Json object) override;
  const std::map<std::string, std::string>& objects() const {
    return objects_;
  }  // cluster/ns/name → resourceVersion

 private:
  std::map<std::string, std::string> objects_;
};
std::string replay_key(const api::Json& object);

// Looked at inside a turn, any number of times during a run. `now`: the world's.
class StateChecks {
 public:
  StateChecks(std::vector<std::string>& violations, std::vector<std::string> clusters)
      : violations_(violations), clusters_(std::move(clusters)) {}
  void look(store::Turn&, const Truth&, Instant now);
  // Every durable change of a pod or an Allocation, for the states that last no longer than that.
  void follow(const store::Change&, const Truth&);
  const std::set<std::string>& states() const { return states_; }  // abstract pod states seen
  // Whether the pods had a claim in common, as their Allocations said.
  bool share(const std::string& pod, const std::string& other) const;

 private:
  // What the checks want to know of a pod; read once a revision.
  struct PodFacts {
    Revision revision;
    std::string uid, phase;
    bool bound = false, deleting = false, finished = false;
  };
  void violate(std::string);
  void allocations(store::Turn&);
  void read_pods(store::Turn&);
  void unhealthy_devices(store::Turn&, Instant now);
  void note_states(const Truth&);
  void note_state(const PodFacts&, const Truth&);
  static PodFacts facts_of(const api::Object&);

  std::vector<std::string>& violations_;
  std::vector<std::string> clusters_;
  std::map<std::string, PodFacts> pods_;  // by key
  std::set<std::string> states_, open_;
  std::map<std::string, std::vector<std::string>> devices_;  // Allocation → its boards
  std::map<std::string, std::set<std::string>> claims_;  // Allocation → uids of its claims, of all there were
  std::map<std::string, Instant> undrained_;             // pod uid → since when it was seen on a faulty board
};

// Hands the changes of one control plane to the checks.
class ChangeWatcher final : public store::Watcher {
 public:
  ChangeWatcher(StateChecks& checks, SchedulingChecks& scheduling, WorkflowChecks& workflows,
                BudgetChecks& budget, const Truth& truth)
      : checks_(checks), scheduling_(scheduling), workflows_(workflows), budget_(budget), truth_(truth) {}
  bool on_change(const store::Change& change) override {
    checks_.follow(change, truth_);
    scheduling_.follow(change);
    workflows_.follow(change);
    budget_.follow(change, truth_);
    return true;
  }
  void on_end(const Error&) override {}

 private:
  StateChecks& checks_;
  SchedulingChecks& scheduling_;
  WorkflowChecks& workflows_;
  BudgetChecks& budget_;
  const Truth& truth_;
};

// At rest: Allocations are closed, pods have ended, Jobs are decided, every board serves again.
void check_rest(store::Turn&, std::vector<std::string>& violations);
// Every device interval that really was is in the ledger once, not shorter than it was, and no two overlap.
void check_ledger(const std::vector<store::StoredRow>& rows, const Truth&, const StateChecks&,
                  std::vector<std::string>& violations);

// The abstract states of a pod: phase, deletion asked for, Allocation, sandbox. Those that can be reached.
const std::set<std::string>& reachable_states();

}  // namespace ingot::sim
