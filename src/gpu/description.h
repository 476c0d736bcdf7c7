// The text that describes simulated GPUs; the stand-in NVML library reads it, `ingot up --gpus simulated:FILE` takes
// it. One statement a line, '#' starts a comment:
//
//   driver 570.86.15                      cuda 12.8
//   node node-0 cpu=32 memory_mib=262144  the boards below are this node's; cpu and memory are optional
//   board H100-80GB uuid=GPU-… pci=00000000:17:00.0 numa=0 minor=0 mig=off    (all but the model optional)
//   instance 0 1g.10gb start=4 id=9 uuid=MIG-…   board 0 has mig=on and this MIG instance; without
//                                         uuid: no compute instance in it
//   memory 0 start_mib=0 mib=512 byte=171 what a program wrote there; elsewhere there are zeros
//   link 0 1                              boards 0 and 1 of this node share an NVLink; `link all`: an NVSwitch
//   fault 1 lost | fault 1 ecc=3 | fault 1 xid=79
//   use 1 37 | use 1 idle                 how busy board 1 is while it is held, in percent; without it nearly always
//   held 1                                somebody holds board 1; written by the node, not by people
//   fault 1 hang | fault 1 mode | fault 1 create | fault 1 clear     every call on it hangs; changing its MIG mode,
//                                         making an instance on it, writing its memory fails
//
// Bounds: 64 KiB, 1,024 nodes, 16 boards a node, 8 instances and 64 pieces of memory a board. Standard library only;
// any thread.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "gpu/models.h"

namespace ingot::gpu {

struct SimulatedInstance {
  std::string profile;  // "1g.10gb"
  int start = 0;        // first memory unit
  int id = 0;           // of the GPU instance
  std::string uuid;     // "MIG-…"; "" = it has no compute instance yet
};
struct SimulatedMemory {
  int64_t start_mib = 0, mib = 0;
  int byte = 0;  // 1…255
};
struct SimulatedBoard {
  const Model* model = nullptr;
  std::string uuid, pci_bus_id;
  int numa_node = 0, minor = 0;
  bool mig_enabled = false;
  std::vector<SimulatedInstance> instances;
  std::vector<SimulatedMemory> memory;  // no two overlap
  bool lost = false;
  bool hangs = false, mode_fails = false, create_fails = false, clear_fails = false;
  uint64_t ecc_errors = 0;
  uint64_t xid = 0;
  int use = -1;  // percent, while held; -1: it is busy
  bool held = false;
  std::vector<int> links;  // indices of the boards on the same node reached by NVLink
};
struct SimulatedNode {
  std::string name = "node-0";
  int cpu = 0;             // 0: a share of the machine's
  int64_t memory_mib = 0;  // 0: a share of the machine's
  bool nvswitch = false;
  std::vector<SimulatedBoard> boards;
};
struct Description {
  std::string driver = "570.86.15", cuda = "12.8";
  std::vector<SimulatedNode> nodes;
};

// Error: one line naming the line at fault. Absent uuids derive from `seed`, the node's name and the index.
std::expected<Description, std::string> parse_description(std::string_view text, std::string_view seed);
// "2x8xH100-80GB" → two nodes of eight boards behind an NVSwitch.
std::expected<Description, std::string> describe_shorthand(std::string_view text, std::string_view seed);
// The text of one node, holding only the boards whose uuid is in `only` (all when empty), and of a board that is there
// for its instances only those: what a pod is given, and so holds.
std::string to_text(const Description&, const SimulatedNode&, const std::vector<std::string>& only = {});

}  // namespace ingot::gpu
