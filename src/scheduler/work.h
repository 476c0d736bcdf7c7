// What waits and what runs: requests, pods, units, and the allocations that they become; and what tenants and
// pools allow them. Plain values; any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "scheduler/constraints.h"
#include "scheduler/parts.h"
#include "scheduler/shape.h"
#include "scheduler/topology.h"

namespace ingot::scheduler {

struct Tenant {
  std::string id;     // the cluster's: what units and allocations name
  std::string name;   // what people are told
  std::string queue;  // the queue that its own leaf hangs below; "": the root
  int64_t gpu_guarantee = 0;
  std::optional<int64_t> gpu_limit;
  int64_t weight = 1;  // ≥ 1
  bool terminating = false;
  bool operator==(const Tenant&) const = default;
};

// Nodes of one kind of use. A node belongs to the pool its label names.
struct Pool {
  std::string name;
  std::set<std::string> tenants;       // ids; with `closed` only these may run here
  bool closed = false;                 // dedicated or private
  bool shares_across_tenants = false;  // time shares of one GPU may belong to several tenants
  bool slices = true;                  // whole free boards may be cut into MIG instances
  int32_t replicas = 10;               // of a GPU, for nvidia.com/gpu.shared
  bool operator==(const Pool&) const = default;
};

// What a pod asks for.
struct Request {
  int64_t cpu_milli = 0, memory_bytes = 0;
  int64_t gpus = 0;      // whole GPUs; 1 for a share; with `profile`: instances
  int32_t milli = 1000;  // of each; < 1000: a time share of one GPU
  int64_t share_memory_mib =
      0;                    // of a share that is asked for by its memory; then milli follows from the GPU
  bool replica = false;     // a share of the size its node's pool gives (nvidia.com/gpu.shared)
  std::string profile;      // "1g.10gb": MIG instances
  bool one_island = false;  // its GPUs must reach each other over NVLink
  // Devices of several kinds, or with rules between them: then these say what `gpus` are, and `profile` is empty.
  std::vector<Part> parts;
  std::vector<Rule> rules;
  bool all_of_node = false;  // only a node that has no more boards than these GPUs
  ModelSet models = kAnyModel;
  std::string unknown;  // "" or a resource that no node of ours offers
  Constraints where;
  bool share() const { return milli < 1000 || share_memory_mib > 0 || replica; }
  bool cuts() const;         // MIG instances are among it
  std::string text() const;  // equal texts, equal requests
};

struct PendingPod {
  std::string uid;
  Request request;
  // What would do instead, in order of preference. A gang's pods all get the same choice.
  std::vector<Request> otherwise;
  // Who has fewer choices than others of its gang is content with its last.
  const Request& choice(size_t k) const {
    return k == 0 || otherwise.empty() ? request : otherwise[std::min(k, otherwise.size()) - 1];
  }
  std::string text() const;
};
inline constexpr size_t kMaxChoices = 8;  // with the first

// What work says of itself, while it waits and while it runs.
struct Work {
  std::string unit;   // the unit it is of: single pods' uid, or the gang's name
  std::string queue;  // "": its tenant's own leaf
  int64_t priority = 0;
  bool preempts = true;     // may evict lower priorities of its queue
  bool preemptible = true;  // false: gives way to nobody of its queue; what is lent comes back all the same
  bool movable = false;     // may be started again elsewhere to make room
  int64_t least = 1;        // pods of its gang that must run; fewer, and all of it ends
  Duration grace = std::chrono::seconds(30);
  Duration least_run{};  // not a victim before it (of a whole gang: its first pod) has run this long
  std::optional<Duration> run_time;  // from its start to its end, at most: a deadline
  std::string origin;                // work of one origin runs alike (past_runs.h); "": of none
  Duration attained{};               // what it ran before it was last stopped
};

// Pods' priorities are of 32 bits. Work whose money is short comes after all other, in the order that it had.
inline constexpr int64_t kLowered = int64_t(1) << 33;
inline bool is_lowered(int64_t priority) { return priority < INT32_MIN; }
inline int64_t normal_priority(int64_t priority) {
  return is_lowered(priority) ? priority + kLowered : priority;
}

// What is placed as a whole or not at all: one pod, or a gang.
struct Unit {
  std::string id;  // the pod's uid, or the gang's name; unique
  std::string tenant;
  int64_t priority = 0;
  WallTime created;
  std::vector<PendingPod> pods;  // in rank order
  std::optional<int64_t> least;  // of an elastic gang: so many at once, the others as they fit
  TopologyAsk topology;
  Work work;          // unit and priority are set from the above
  std::string waits;  // not "": not placeable yet, and why ("2 of 4 pods of gang train exist")
};

// A part of a node's board: a whole GPU, a share of it, or a MIG instance.
struct Held {
  Held() = default;
  Held(std::string gpu) : uuid(std::move(gpu)) {}  // a whole one
  Held(const char* gpu) : uuid(gpu) {}
  std::string uuid, model;
  int32_t milli = 1000;
  int64_t memory_mib = 0;  // of a share or an instance
  std::string profile;     // of a MIG instance
  int start = -1;          // its first memory slice
  std::string claim;       // uid of the ResourceClaim that it answers, if any
  bool operator==(const Held&) const = default;
};

// What is held: opened with a binding, closed when the node says the sandbox is gone.
struct Allocation {
  std::string uid;            // the pod's
  std::string tenant, node;   // ids
  std::vector<Held> devices;  // that it is charged for
  // Uids of the ResourceClaims whose devices it has. Pods may share a claim: one of them is charged, the others have its
  // devices as long as they run.
  std::set<std::string> claims;
  int64_t cpu_milli = 0, memory_bytes = 0;
  Work work;
  WallTime since;
  bool leaving = false;  // told to go, not gone yet
  std::string leaf;      // the queue it counts in; the model's
};

}  // namespace ingot::scheduler
