// The scheduler's own picture of the factory: nodes and their boards, pools, queues, what is held, what waits.
// It is kept up to date change by change, and answers "the best node for this request" without looking at
// every node.
//
// Thread rule: one thread at a time; no clock, no I/O. Invariants: what a node has free is its allocatable
// less every open allocation on it, known node or not; a board is free only when it is healthy and in no
// allocation; the same contents give the same answers whatever order they arrived in, but
// for the demand that was learnt from what arrived (cost.h).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/text_map.h"
#include "scheduler/affinity.h"
#include "scheduler/cost.h"
#include "scheduler/node_state.h"
#include "scheduler/past_runs.h"
#include "scheduler/queues.h"
#include "scheduler/topology.h"
#include "scheduler/work.h"

namespace ingot::scheduler {

// A kind of request, shared by all pending pods that ask for the same: the search for a node is remembered
// per class.
struct Class;

// Nodes kept for a unit that is blocked: backfilled only by work that does not delay it, or, while its victims
// leave, by nobody else.
struct Reservation {
  std::string unit;
  std::map<std::string, int64_t> pods;  // per node name
  WallTime since;
  std::optional<WallTime> starts;      // when what it waits for is expected to have ended; none: not known
  std::optional<WallTime> promised{};  // the first such time that was known
  std::string after;                   // uid of the allocation that ends then; "": none, or not known
  bool evicting = false;               // room was made for it by eviction
  std::string leaf;   // where, meanwhile, what was made free counts as held: its owner's queue …
  Amounts claimed{};  // … and how much; the model's
};

class Model {
 public:
  Model();
  ~Model();
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;

  void set_node(Node);
  void erase_node(std::string_view name);
  void set_pool(Pool);
  void erase_pool(std::string_view name);
  void set_tenant(Tenant);
  void erase_tenant(std::string_view id);
  void set_queue(const Queue&);
  void erase_queue(std::string_view name);
  void set_levels(std::vector<Level>);  // of the topology, broad to narrow
  void set_unit(Unit);                  // replaces the unit of the same id; an equal one changes nothing
  void erase_unit(std::string_view id);
  const Allocation& open(Allocation);  // replaces the allocation of the same uid; good until it is closed
  void close(std::string_view uid);
  // What other pods' affinity sees of a pod that waits or runs, and what it asks. `ending`: it is being deleted.
  void set_subject(std::string_view pod_uid, const Subject&, bool ending);
  void erase_subject(std::string_view pod_uid);
  void set_space(const std::string& cluster, const std::string& space, Labels);  // a namespace
  void erase_space(const std::string& cluster, const std::string& space);
  void set_leaving(std::string_view uid);  // its pod was told to go
  void set_reservation(Reservation);       // remembered from before a restart

  void advance(WallTime now) { queues_.advance(now); }  // what queues held lately moves on
  // What a queue held lately, remembered from before a restart.
  void restore_average(std::string_view queue, const Averages& average, WallTime at) {
    if (queues_.contains(queue)) queues_.restore(queue, average, at);
  }

  void set_costs(PlacementCost, uint64_t seed);
  void set_typical(Typical);                     // FGD's workload
  ModelId model_id(std::string_view gpu_model);  // the same name, the same id
  const std::string& model_name(ModelId id) const { return gpu_models_[id]; }
  static std::string own_leaf(std::string_view tenant) { return "~" + std::string(tenant); }
  const Node* node(std::string_view name) const;  // nullptr: not known
  int64_t free_gpus(std::string_view node) const;
  const Allocation* allocation(std::string_view uid) const;
  const std::map<std::string, Allocation, std::less<>>& allocations() const { return allocations_.ordered(); }
  // It and all that share a claim with it, directly or by another.
  std::set<std::string> sharers(std::string_view uid) const;
  bool shares() const { return shared_ > 0; }  // some claim has several allocations
  // Claims of which some have the devices and nobody is charged: who was is gone. By uid, with those who have them.
  const std::map<std::string, std::set<std::string>>& uncharged() const { return uncharged_; }
  const Unit* unit(std::string_view id) const;
  size_t units() const { return units_.size(); }
  // Of each GPU model that would do: how much of its boards the request would hold there at most, in GPU-milli.
  std::vector<std::pair<ModelId, int64_t>> takes(const Request&) const;
  int64_t gpus_held(std::string_view tenant_id) const;  // whole GPUs; shares count as what they take
  const std::map<std::string, Reservation>& reservations() const { return reservations_; }
  double fragmentation(const Typical&) const;  // of all nodes, in GPU-milli
  PastRuns& past_runs() { return past_runs_; }
  const PastRuns& past_runs() const { return past_runs_; }
  const QueueTree& queues() const { return queues_; }
  const TopologyTree& topology() const { return topology_; }
  // Grows with every change that a pass could answer to.
  uint64_t version() const { return version_; }

 private:
  friend class Pass;
  friend struct Class;

  struct TenantState {
    Tenant tenant;
    Amounts held;
    uint64_t number = 0;  // never given twice
  };
  struct UnitState;
  struct Order {
    int64_t priority = 0;
    double rank = 0;  // of the queue's order; smaller first
    WallTime created;
    std::string id;
    UnitState* unit = nullptr;  // whose it is
    bool operator<(const Order&) const;
  };
  using Line = std::set<Order>;  // the pending units of a leaf
  struct Choice {
    std::vector<Class*> classes;  // one per pod
    Amounts asks;                 // of all its pods
  };
  struct UnitState : Choice {
    Unit unit;
    std::string leaf;
    Order order;
    std::vector<Choice> others;                 // what would do instead (PendingPod::otherwise)
    uint64_t failed_gain = 0;                   // gains_ when it last did not fit
    std::shared_ptr<const std::string> reason;  // why it waits, where its class does not say it
    bool lacks_room = false;                    // of a gang: it fails for what others hold
    WallTime rests_until{};                     // it had a reservation and gave it back
    bool moved = false;                         // others were moved for it
  };

  // What tables are made from, of many nodes in a row: little memory, no pointers to follow.
  struct Sight {
    Look look;
    int64_t pods = 0;     // that it has room for
    bool open = false;    // to whoever constrains nothing: known, ready, no taints, in no closed pool
    uint64_t sharer = 0;  // number of the only tenant that shares boards there; else kNobody or kSeveral
    static constexpr uint64_t kNobody = 0, kSeveral = UINT64_MAX;
  };

  struct SubjectState {
    AffinityIndex::Id id = -1;
    int slot = -1;  // placed there; -1: it waits, and its subject is acquired
    bool ending = false;
  };

  int slot(std::string_view name);
  void seat(SubjectState&, int slot);
  void forget_slot(int slot);
  void see(int slot);  // its state has changed
  enum class Changed : uint8_t { Spec, More, Less };
  void touched(int slot, Changed);
  void capacity(const Node&, int sign);
  void count(const Allocation&, int sign);
  Amounts amounts(const Request&) const;
  int64_t gpu_milli(const Request&, ModelSet) const;
  int64_t most_milli(const Request&, ModelSet, const std::string& profile, int32_t milli) const;
  Amounts asks(const Unit&, size_t choice) const;
  void ask_for(UnitState&, const Unit&);
  void ask_again();
  void observe_parts(const Request&);
  Amounts amounts(const Allocation&);
  std::string leaf_of(std::string_view tenant, std::string_view queue) const;
  void set_leaf(const Tenant&);
  TenantState& tenant(std::string_view id);
  void forget_tenant(std::string_view id);
  bool open_to(std::string_view pool, std::string_view tenant) const;
  void order_names();
  std::string access_of(std::string_view tenant) const;
  void sort_in(UnitState&);
  void take_out(UnitState&);
  void resort(std::string_view queue);
  void rekey();
  Class* class_of(const Request&, std::string_view tenant);
  void release(Class*);
  void release(UnitState&);
  void share(const Allocation&, bool open);
  bool same_unit(const Unit&) const;
  void drop_reservation(std::string_view unit);

  std::vector<NodeState> nodes_;  // by slot
  std::vector<Sight> sights_;     // by slot
  std::vector<int> vacant_;
  TextMap<int> slots_;
  std::vector<int> by_name_;  // by slot: its place in name order; empty: to be made again
  std::vector<std::string> gpu_models_;
  std::vector<int64_t> least_memory_;  // of a board, by model, as far as known; 0: not
  std::map<std::string, Pool, std::less<>> pools_;
  TopologyTree topology_;
  Amounts capacity_;
  QueueTree queues_;
  std::string leaving_queue_;                       // while it is erased
  std::map<std::string, Line, std::less<>> lines_;  // by leaf, none empty
  std::map<std::string, TenantState, std::less<>> tenants_;
  TextMap<Allocation> allocations_;
  TextMap<UnitState> units_;
  std::map<std::string, std::unique_ptr<Class>, std::less<>> classes_;
  HashMap<SubjectState> subjects_;  // by the pod's uid
  AffinityIndex affinity_;
  PastRuns past_runs_;
  size_t idle_classes_ = 0;
  uint64_t tenants_seen_ = 0;
  Costs costs_;
  HashMap<std::set<std::string>> held_by_;                              // unit → uids
  std::map<std::string, std::map<int64_t, int>, std::less<>> running_;  // leaf → priority → allocations
  std::map<std::string, std::set<std::string>> sharing_, uncharged_;    // claim → uids of allocations
  size_t shared_ = 0;                                                   // claims with several
  std::map<std::string, Reservation> reservations_;                     // by unit
  size_t movable_ = 0;                                                  // allocations
  std::set<std::string> leaving_;                                       // uids
  // What changed, in order (slot * 2, + 1 when more than its load did); a class catches up from where it
  // stopped.
  std::vector<int> journal_;
  uint64_t journal_start_ = 0;
  uint64_t gains_ = 1;  // grows when something became freer: what failed may fit now
  uint64_t version_ = 0;
  size_t checks_ = 0;  // nodes looked at, ever: the measure of work
};

}  // namespace ingot::scheduler
