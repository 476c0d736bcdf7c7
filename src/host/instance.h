// A data directory and the factory that lives in it: one at a time, found by its record.
// Thread rule: one thread. Invariant: whoever holds the lock is the only writer of anything in the directory.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "base/error.h"
#include "host/disk_file.h"

namespace ingot::host {

// DATA/factory.json.
struct FactoryRecord {
  std::string id;           // 4 hex digits, for the factory's life
  pid_t pid = 0;            // 0: not running
  int64_t start_ticks = 0;  // of that process: a pid alone may be somebody else's by now
  std::string address;      // "127.0.0.1:6443"
  std::string version;
  std::string gpus;        // "2 nodes, 16 GPUs (simulated)"
  bool keep_pods = false;  // the last stop left pods running
};

// Start time of a process in clock ticks since boot (proc(5), stat field 22); 0 when there is none.
int64_t process_start_ticks(pid_t);

Result<FactoryRecord> read_record(const std::string& data);
bool is_running(const FactoryRecord&);

class Instance {
 public:
  // Makes the directory (0700) and locks it. Conflict, naming the factory in it and what to do, when it is in use.
  static Result<std::unique_ptr<Instance>> claim(const std::string& data);

  // What factory.json said; empty for a fresh directory.
  const FactoryRecord& record() const { return record_; }
  Result<void> write(FactoryRecord);
  const std::string& data() const { return data_; }

 private:
  Instance(std::string data, Fd lock) : data_(std::move(data)), lock_(std::move(lock)) {}
  const std::string data_;
  const Fd lock_;
  FactoryRecord record_;
};

}  // namespace ingot::host
