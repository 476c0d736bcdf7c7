// Children that do what may hang or read what strangers wrote: `ingot worker NAME …`, run as nobody, without
// privileges, sockets or keys, with a deadline. The child's standard output is the answer.
// Thread rule: any; blocks until the child ended or the deadline passed.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace ingot::host {

struct WorkerJob {
  std::vector<std::string> arguments;                            // after "worker"
  std::vector<std::pair<std::string, std::string>> environment;  // all of it: nothing is inherited
  Duration deadline = std::chrono::seconds(20);
  size_t most_output = 4u << 20;
};

// Error: Timeout past the deadline (the child is killed), InternalError with the child's last line on standard error.
Result<std::string> run_worker(const WorkerJob&);

// Called first thing in the child: gives up root, new privileges and the system calls no worker needs. Error: one line.
Result<void> confine_worker();

}  // namespace ingot::host
