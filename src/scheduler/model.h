// The scheduler's own picture of the factory: nodes and their devices, tenants, open allocations, pending
// units. It is kept up to date change by change, and answers "the best node for this request" without looking
// at every node.
//
// Thread rule: one thread at a time; no clock, no I/O. Invariants: what a node has free is its allocatable
// less every open allocation on it, known node or not; a device is free only when it is healthy and in no
// allocation; the same contents give the same answers whatever order they arrived in.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "scheduler/constraints.h"

namespace ingot::scheduler {

struct Device {
  std::string uuid, model;
  bool healthy = true;
  bool operator==(const Device&) const = default;
};

struct Node {
  std::string name;
  std::string pool = "default";
  int64_t cpu_milli = 0, memory_bytes = 0, pods = 0;  // allocatable
  std::vector<Device> devices;                        // in index order
  Labels labels;
  std::vector<Taint> taints;
  bool ready = false;
  bool cordoned = false;
  bool operator==(const Node&) const = default;
};

struct Tenant {
  std::string id;    // the cluster's: what units and allocations name
  std::string name;  // what people are told
  int64_t gpu_guarantee = 0;
  std::optional<int64_t> gpu_limit;
  int64_t weight = 1;  // ≥ 1
  bool terminating = false;
  bool operator==(const Tenant&) const = default;
};

// What is held: opened with a binding, closed when the node says the sandbox is gone.
struct Allocation {
  std::string uid;                   // the pod's
  std::string tenant, node;          // ids
  std::vector<std::string> devices;  // uuids
  int64_t cpu_milli = 0, memory_bytes = 0;
};

struct Request {
  int64_t cpu_milli = 0, memory_bytes = 0, gpus = 0;
  std::string unknown;  // "" or a resource that no node of ours offers
  Constraints where;
  std::string text() const;
};

struct PendingPod {
  std::string uid;
  Request request;
};

// What is placed as a whole or not at all: one pod, or a gang.
struct Unit {
  std::string id;  // the pod's uid, or the gang's name; unique
  std::string tenant;
  int64_t priority = 0;
  WallTime created;
  std::vector<PendingPod> pods;
  std::string waits;  // not "": not placeable yet, and why ("2 of 4 pods of gang train exist")
};

// A kind of request, shared by all pending pods that ask for the same: the search for a node is remembered
// per class.
struct Class;

class Model {
 public:
  Model();
  ~Model();
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;

  void set_node(Node);
  void erase_node(std::string_view name);
  void set_tenant(Tenant);
  void erase_tenant(std::string_view id);
  void set_unit(Unit);  // replaces the unit of the same id; an equal one changes nothing
  void erase_unit(std::string_view id);
  void open(Allocation);  // replaces the allocation of the same uid
  void close(std::string_view uid);

  const Node* node(std::string_view name) const;  // nullptr: not known
  int64_t free_gpus(std::string_view node) const;
  const Allocation* allocation(std::string_view uid) const;
  const std::map<std::string, Allocation, std::less<>>& allocations() const { return allocations_; }
  const Unit* unit(std::string_view id) const;
  size_t units() const { return units_.size(); }
  int64_t gpus_held(std::string_view tenant_id) const;
  // Grows with every change that a pass could answer to.
  uint64_t version() const { return version_; }

 private:
  friend class Scheduling;
  friend struct Class;

  struct NodeState {
    Node node;
    bool known = false;  // false: only allocations speak of it
    int64_t used_cpu = 0, used_memory = 0, used_pods = 0, free_gpus = 0;
    std::map<std::string, int> held;  // device uuid → allocations that hold it; 1 unless something is broken
  };
  struct TenantState {
    Tenant tenant;
    int64_t gpus = 0, cpu_milli = 0, memory_bytes = 0;  // held
    struct Order {
      int64_t priority;
      WallTime created;
      std::string id;
      bool operator<(const Order&) const;
    };
    std::set<Order> queue;
  };
  struct UnitState {
    Unit unit;
    std::vector<Class*> classes;                // one per pod
    int64_t gpus = 0;                           // of all its pods
    uint64_t failed_gain = 0;                   // gains_ when it last did not fit
    std::shared_ptr<const std::string> reason;  // why it waits, where its class does not say it
    WallTime rests_until{};                     // it had a reservation and gave it back
  };
  // Only its owner's GPU pods go to a reserved node.
  struct Reservation {
    std::string unit, node;
    WallTime since;
  };

  int slot(std::string_view name);
  void forget_slot(int slot);
  enum class Changed : uint8_t { Spec, More, Less };
  void touched(int slot, Changed);
  void count(const Allocation&, int sign);
  static void recount(NodeState&);
  TenantState& tenant(std::string_view id);
  void forget_tenant(std::string_view id);
  Class* class_of(const Request&);
  void release(Class*);
  bool same_unit(const Unit&) const;

  std::vector<NodeState> nodes_;  // by slot
  std::vector<int> vacant_;
  std::map<std::string, int, std::less<>> slots_;
  int64_t total_gpus_ = 0, total_cpu_ = 0, total_memory_ = 0;
  std::map<std::string, TenantState, std::less<>> tenants_;
  std::map<std::string, Allocation, std::less<>> allocations_;
  std::map<std::string, UnitState, std::less<>> units_;
  std::map<std::string, std::unique_ptr<Class>, std::less<>> classes_;
  size_t idle_classes_ = 0;
  std::optional<Reservation> reservation_;
  // What changed, in order (slot * 2, + 1 when more than its load did); a class catches up from where it
  // stopped.
  std::vector<int> journal_;
  uint64_t journal_start_ = 0;
  uint64_t gains_ = 1;  // grows when something became freer: what failed may fit now
  uint64_t version_ = 0;
  size_t checks_ = 0;  // nodes looked at, ever: the measure of work
};

}  // namespace ingot::scheduler
