// Gates before the scheduler: what they say of each pod that waits, and once more in the turn that binds it. Knows gates,
// exceptions, scans and images as objects of the factory; data sets and Workflows it looks up in the turn.
//
// A pod that a gate holds has the reason in its unit's `waits`, as one whose queue may not be used, so conditions, `ingot
// queue` and `ingot explain` show it. What was said is a row of the stream `verdicts`: of a pod that is held when it is, of one that
// is let through under a gate with its binding; once for each verdict.
//
// Thread rule: the loop; `enter` gives the turn that is read from, and holds until the next. Invariants: no pod is bound
// that an enforced gate, as far as it is known here, holds at that moment; without a gate that concerns its tenant or queue a
// pod costs nothing but that question. Fault point: placement.ignore_gates.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controllers/placement_claims.h"
#include "controllers/queue_book.h"
#include "env/env.h"
#include "policy/gates.h"
#include "policy/verdict_record.h"
#include "scheduler/work.h"
#include "store/shard.h"

namespace ingot::controllers {

inline constexpr std::string_view kImages = "images.factory.ingot.dev";
inline constexpr std::string_view kDatasets = "datasets.factory.ingot.dev";

// What a pod that waits is estimated to cost, for rules with maxCost.
struct EstimatedCost {
  int64_t micros = 0;
  std::string currency;
};
using CostOf = std::function<std::optional<EstimatedCost>(const scheduler::Unit&)>;
// What a pod would be to the scheduler.
using UnitOf = std::function<scheduler::Unit(const api::Json& pod)>;

// A Workflow that is about to begin.
struct RunAsked {
  const api::Key& key;
  const api::Json& workflow;
  const api::Json& spec;             // with what the WorkflowTemplate says that it refers to …
  const api::JsonObject& templates;  // … and the templates of others that it uses
};
struct RunJudged {
  bool concerned = false;  // some gate was asked
  std::string held;        // why it may not begin, and the way out; "": it may
  policy::VerdictRow row;  // of the stream `verdicts`
};

class Gatekeeper {
 public:
  Gatekeeper(env::Env& env, const QueueBook& book) : env_(env), book_(book) {}

  void enter(const store::Turn& turn) { turn_ = &turn; }
  void clear();
  // What rules on money ask. They outlive this; none: estimates are not known, and budgets object to nothing.
  void set_cost(CostOf cost) { cost_ = std::move(cost); }
  void set_desk(const policy::BudgetDesk* desk);

  // Gates, exceptions, scans, images and data sets; whether it is one.
  bool load(const api::Key&, const api::ObjectPtr&);
  // nullptr: it is gone.
  void set_tenant(std::string_view name, std::string_view cluster, const api::Json*);

  // The pod as it waits, alone in its unit: what holds it, and where it may run. With a look-up it is only imagined.
  void judge(const api::Key& pod, const api::Json& object, std::string_view tenant, scheduler::Unit&,
             const Lookup* imagined);
  void leave(const std::string& pod) {  // it waits no more
    if (!judged_.empty()) forget(pod);
  }
  // The Workflow that made the pod; "": none that is still there.
  std::string workflow_of(const api::Key& pod, const api::Json& object);
  // Before the bindings of its unit are written. False: a gate holds it, and it is to be set again.
  bool lets(const api::Key& pod, const api::Json& object, std::string_view tenant);
  // What was said of the pods of a unit: its rows, beside its bindings; or it was not bound after all.
  void write_verdicts(store::Turn&, WallTime now);
  void drop_verdicts() { let_.clear(); }

  // A whole run, before it begins. Its pods are judged again, each. It costs at least what its templates cost once.
  RunJudged judge_run(const RunAsked&, std::string_view tenant, const Lookup&, const UnitOf&);

  // Who is to be judged again since the last time: pods, and all that wait in these clusters ("": in all).
  struct Again {
    std::set<api::Key> pods;
    std::set<std::string> clusters;
    bool changed = false;  // what runs are judged by, too
  };
  Again take_again(WallTime now);
  void all_again();                          // queues are others
  std::optional<WallTime> next_due() const;  // when time alone changes a verdict
  // Writes rows of verdicts that hold pods; whether some are left.
  bool write(store::Turn&, WallTime now);

 private:
  struct Tenant {
    std::string cluster;
    policy::Clearance clearance = policy::Clearance::Restricted;
    std::vector<std::string> regions;
  };
  struct Judged {
    std::string tenant, row;        // `unique` of the last row
    size_t rows = 0;                // so far
    std::optional<WallTime> until;  // in due_
    std::optional<EstimatedCost> cost;
    std::string region;
  };
  struct Run {  // a Workflow that pods are of
    std::string name, uid;
    std::vector<std::string> pipelines;
  };
  static Run read_run(std::string_view name, const api::Json& workflow);
  policy::Facts facts_of_tenant(const api::Key&, const api::Json& object, std::string_view tenant,
                                std::vector<std::string> queues, const Run*) const;
  policy::Surroundings around(const api::Key&, const Lookup&) const;
  policy::Facts facts_of(const api::Key&, const api::Json& object, std::string_view tenant,
                         std::vector<std::string> queues, const Lookup&);
  const Run* run_of(const api::Key& pod, const api::Json& object, const Lookup&);
  std::optional<EstimatedCost> cost_of(const policy::Facts& run, const UnitOf&);
  void forget(const std::string& pod);
  void again_of(std::string_view tenant, bool waiting);
  void load_gate(const api::Key&, const api::Json*);
  void load_image(std::string_view name, const api::Json*);
  void record(store::Turn&, const api::Key&, Judged&, WallTime now);
  Lookup lookup() const;

  env::Env& env_;
  const QueueBook& book_;
  const store::Turn* turn_ = nullptr;
  policy::GateSet gates_;
  policy::Images images_;
  CostOf cost_;
  bool estimating_ = false;  // what a pod of a run would cost: it is none yet
  const policy::BudgetDesk* desk_ = nullptr;
  std::map<std::string, Tenant, std::less<>> tenants_;               // by name
  std::map<std::string, std::set<std::string>, std::less<>> whose_;  // gate → its tenants; "" in it: all
  std::map<std::string, std::string, std::less<>> excepted_;         // exception → its tenant
  std::map<std::string, Judged, std::less<>> judged_;                // pods that wait under a gate, by key
  std::set<std::pair<WallTime, std::string>> due_;               // when pods, by key, are to be judged again
  HashMap<Run> runs_;                                            // by uid
  std::set<std::string> unwritten_;                              // pods, by key, that were held just now
  std::map<std::string, api::Json, std::less<>> image_objects_;  // by name
  struct Let {
    api::Key pod;
    std::string uid;
    policy::VerdictRow row;
    std::vector<std::string> warnings;
  };
  std::vector<Let> let_;  // of the unit that is being bound
  Again again_;
};

}  // namespace ingot::controllers
