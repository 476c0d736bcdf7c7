// One seed: a factory, its users and its misfortunes, from start to rest, and the verdict.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace ingot::sim {

struct RunOptions {
  uint64_t seed = 1;
  uint64_t operations = 220;  // client requests at least
  int faults = 6;             // at least
  std::string plant;          // a fault point to fire, "" = none: a planted bug
  bool trace = false;
};

struct RunReport {
  uint64_t seed = 0, hash = 0, operations = 0, acknowledged = 0, events = 0;
  int faults = 0;
  size_t steps = 0;  // of workflows, that succeeded
  double virtual_s = 0;
  std::vector<std::string> violations;
  std::set<std::string> states;  // of pods, seen
  std::set<std::string> kinds;   // of faults, injected
};

RunReport run_seed(const RunOptions&);

// Faults a run chooses from, by name.
std::vector<std::string> fault_kinds();
// Bugs that can be planted: the fault point that is the bug, and a word of the check that must see it.
struct PlantedBug {
  std::string name, point, shows;
};
const std::vector<PlantedBug>& planted_bugs();

}  // namespace ingot::sim
