// A node and what is held on it, board by board: which parts are free for whom. Keeps count also of what is
// held on a node, or on a board, that is not known (yet, or any more).
//
// Thread rule: none of its own. Invariants: `space` is the node's allocatable less what is held; a board's
// free milli is 0 unless it is healthy and neither cut nor held whole.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gpu/islands.h"
#include "scheduler/slices.h"
#include "scheduler/work.h"

namespace ingot::scheduler {

struct Device {
  std::string uuid, model;
  bool healthy = true;
  int64_t memory_mib = 0;  // 0: not known
  bool operator==(const Device&) const = default;
};

struct Node {
  std::string name;
  std::string pool = "default";
  int64_t cpu_milli = 0, memory_bytes = 0, pods = 0;  // allocatable
  std::vector<Device> devices;                        // in index order, kMaxGpus at most
  gpu::Links links;                                   // of the devices, by position
  Labels labels;
  std::vector<Taint> taints;
  bool ready = false;
  bool cordoned = false;
  bool operator==(const Node&) const = default;
};

// What is held of a MIG instance.
struct SliceUse {
  gpu::Cut units{};  // that it takes; all of them where its profile is not known
  int64_t milli = 0;
  int holders = 0;
  std::map<std::string, int> sharers;  // tenants of its time shares
};

// What is held of one board.
struct BoardUse {
  int64_t milli = 0;
  int holders = 0;
  std::map<std::string, int> sharers;                      // tenants of its time shares
  std::map<std::pair<int, std::string>, SliceUse> slices;  // by start and profile
};

struct NodeState {
  Node node;
  bool known = false;  // false: only allocations speak of it
  int64_t used_cpu = 0, used_memory = 0, used_pods = 0;
  ModelId model = 0;
  int32_t place = 0;  // of its name
  gpu::Islands islands{};
  std::array<int8_t, kMaxGpus> geometries{};  // of its boards (gpu/mig.h)
  std::map<std::string, BoardUse> held;       // by uuid; only boards with holders
  std::set<std::string> pods;                 // uids of the allocations here
  // From the above, by recount():
  Space space;
  int64_t free_gpus = 0;                           // whole ones
  std::array<const BoardUse*, kMaxGpus> boards{};  // by index; nullptr: nobody holds it

  void set_node(Node, ModelId);
  void count(const Allocation&, int sign);
  void recount();
  gpu::BoardMask free_boards() const;  // whole ones
  // What the tenant may see of it for time shares: boards and instances shared by others show nothing free.
  Space space_for(std::string_view tenant, bool shares_across_tenants) const;

 private:
  void count_slices(size_t board);
};

int64_t mib_needed(int64_t bytes);  // rounded up
// A share's milli of memory that is `whole` of them; 1001, more than there is, where it is too small.
int32_t milli_of(int64_t share_mib, int64_t whole_mib);
// The request in numbers, on boards of that memory; without MIG.
Shape shape_of(const Request&, int64_t board_memory_mib, int32_t replicas);
// The same on that node: MIG instances are of the first of its boards' geometries that has the profile. Boards
// may differ in memory: a share that asks for memory counts as if all had the least.
Shape shape_on(const NodeState&, const Request&, int32_t replicas);
// Which boards a request takes that fits: an island or a NUMA node where possible. `gpu`: of a share.
// Whole ones come from `within`.
std::vector<Held> take(const NodeState&, const Request&, const Shape&, int gpu, gpu::BoardMask within);
// What of the node's boards those places are.
std::vector<Held> take(const NodeState&, const Shape&, const std::vector<SlicePlace>&);

}  // namespace ingot::scheduler
