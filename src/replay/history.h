// What a factory held and what it is made of, as a trace in openb's form. Pure; any thread.
//
// Invariants: a pod is one job, however many devices it held; what is booked holds over what was said of the same pod
// while it ran; the same rows in any order give the same text.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/json.h"
#include "base/time.h"
#include "replay/trace.h"

namespace ingot::replay {

class History {
 public:
  // A row of the ledger, or of what is still held (`open`). False: it is no such row, or there are kMaxRows jobs.
  bool add(const api::Json& row);
  size_t jobs() const { return pods_.size(); }
  // A line a job, by creation; times are seconds since the first job's, and a job that still runs ends as of its row.
  // A GPU's part counts in thousandths; parts of several GPUs as the least whole GPUs that they add up to.
  std::string csv() const;

 private:
  struct Pod {
    std::string name, tenant, models;
    WallTime created, from, to;
    int64_t cpu_milli = 0, memory_mib = 0;
    std::map<std::string, int64_t> devices;  // thousandths, by device and part
    bool open = false;
  };
  std::map<std::string, Pod> pods_;  // by uid
};

// Nodes with their boards, from Node and ResourceSlice objects. A node of several models is of the one it has most of.
std::vector<TraceNode> nodes_from(const api::JsonArray& nodes, const api::JsonArray& slices);
std::string nodes_csv(const std::vector<TraceNode>&);

}  // namespace ingot::replay
