// Processes on this machine: children with a deadline, and daemons that outlive us and are found again.
// Any thread; everything here blocks for as long as it says.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "host/disk_file.h"

namespace ingot::host {

// Where Debian keeps programs; "" when none of the directories has it. PATH is not asked: a root service's should not
// decide what runs as root.
std::string find_program(const std::string& name);

// A process for as long as it lives: pids are used again, a pid with its start time and boot is not.
struct ProcessIdentity {
  int pid = 0;
  uint64_t start_ticks = 0;  // /proc/PID/stat, field 22
  std::string boot_id;       // /proc/sys/kernel/random/boot_id
};
Result<ProcessIdentity> identify(int pid);
// A pidfd of exactly this process; NotFound when it is gone or the pid is somebody else's now.
Result<Fd> open_process(const ProcessIdentity&);
std::string command_line(int pid);  // arguments separated by one space; "" when gone

// Starts `argv` in a session of its own, with no descriptor of ours but stdout and stderr to `log_path` (appended).
// `record` runs in the parent once the pid is known and before the program does: what it writes is never missing for
// a running daemon. When it fails the child ends without having run anything.
Result<ProcessIdentity> start_daemon(const std::vector<std::string>& argv, const std::string& log_path,
                                     const std::function<Result<void>(const ProcessIdentity&)>& record);

// Runs `argv` to its end; stdout and stderr together, the last 16 KiB. Past the deadline it is killed: Timeout.
// A non-zero exit is an error with the last line of output.
Result<std::string> run_child(const std::vector<std::string>& argv, Duration deadline);

// Blocks until the process behind `pidfd` has ended or `deadline` passed; true when it ended. Reaps it if it is ours.
bool wait_process(int pidfd, Duration deadline);

// Writes into an existing kernel file (/proc, /sys).
Result<void> write_setting(const std::string& path, std::string_view value);

}  // namespace ingot::host
