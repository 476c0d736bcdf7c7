// Children that do what may hang or read what strangers wrote: `ingot worker NAME …`, run as nobody, without
// privileges, sockets or keys, with a deadline. The child's standard output is the answer.
// Thread rule: any; blocks until the child ended or the deadline passed. A child that hangs in the kernel cannot be
// ended: it is left behind.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "host/disk_file.h"

namespace ingot::host {

struct WorkerJob {
  std::vector<std::string> arguments;                            // after "worker"
  std::vector<std::pair<std::string, std::string>> environment;  // all of it: nothing is inherited
  Duration deadline = std::chrono::seconds(20);
  size_t most_output = 4u << 20;
  const std::atomic<bool>* cancelled = nullptr;  // set by anybody: the child is killed, as past the deadline
  // Of run_worker() alone.
  std::string input;       // what the child reads on its standard input, to the end
  std::vector<int> files;  // open in the child as 3, 4, … (up to 8); they stay the caller's
  // Gets the answer as it comes, which then has no end at most_output; an error ends the child.
  std::function<Result<void>(std::string_view)> take;
  // What the child asks while it works: called whenever `asks` can be read; false: it asks no more.
  int asks = -1;
  std::function<bool()> answer;
};

// Error: Timeout past the deadline (the child is killed), InternalError with the child's last line on standard error, or
// that of `take`.
Result<std::string> run_worker(const WorkerJob&);

enum class Keep : uint8_t {
  Nothing,
  Network,  // sockets; nothing else
  Root,     // user 0 with no capability but the one by which a driver knows an administrator
};

// A worker that stays and is talked to over its standard input and output; its complaints are dropped. It dies with the
// thread that started it. Whoever has it ends and reaps it.
struct WorkerProcess {
  int pid = -1;
  Fd in, out;  // do not block
};
Result<WorkerProcess> start_worker(const WorkerJob&);

inline constexpr uid_t kNobody = 65534;
// Called first thing in the child: gives up root (to be `user`), new privileges and the system calls no worker needs.
// Error: one line.
Result<void> confine_worker(Keep = Keep::Nothing, uid_t user = kNobody);

}  // namespace ingot::host
