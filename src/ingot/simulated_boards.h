// What happens to a node's simulated boards while the factory runs: the file that describes them is read again when it
// changes (faults come and go, `use` says how busy a board is), and the node says who holds them.
// Thread rule: any; what is shared is guarded.
#pragma once

#include <ctime>
#include <mutex>
#include <set>
#include <string>

#include "env/env.h"
#include "gpu/description.h"

namespace ingot {

class SimulatedBoards {
 public:
  // `file`: "" where no file describes them. `seed`: as they were first described with.
  SimulatedBoards(env::Log& log, std::string file, std::string seed, gpu::Description first,
                  std::string node);
  void hold(std::set<std::string> uuids);
  std::string describe();  // for the stand-in library: this node alone

 private:
  void read_again();

  env::Log& log_;
  const std::string file_, seed_, node_;
  std::mutex mutex_;
  gpu::Description description_;
  std::set<std::string> held_;
  timespec read_{};  // the file's time when it was last read
};

}  // namespace ingot
