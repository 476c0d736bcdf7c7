// A row of the ledger: what an Allocation held of one device, or of CPU and memory, and what that costs. Pure; any
// thread. A share or a MIG instance costs its part of the GPU: what it counts in queues and limits.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/json.h"
#include "policy/prices.h"

namespace ingot::policy {

inline constexpr std::string_view kLedger = "ledger";  // the stream of rows
inline constexpr std::string_view kCpu = "cpu";        // `device` of the row for CPU and memory

struct LedgerEntry {
  std::string tenant, cluster, ns, pod, pod_uid, node;
  std::string queue;          // that it named; "": its tenant's own, or of older factories
  std::string device, model;  // a GPU's; or kCpu and ""
  std::string part;           // "1g.10gb@4": the MIG instance of it that starts at memory unit 4; "": none
  int64_t gpu_milli = 1000;   // how much of the GPU that is, by gpu::board_milli
  WallTime from, to;
  std::vector<std::string> models;  // of a GPU: which it could have been; empty: any, or of older factories
  std::optional<WallTime> created;  // the pod; rows of older factories do not say
  bool simulated = false;
  std::chrono::microseconds idle{};  // of a GPU: how long of it nothing ran there
  std::string currency;
  int64_t price = 0;                        // of the GPU, per hour
  int64_t cpu_milli = 0, memory_mib = 0;    // of the row for CPU and memory; memory in started MiB
  int64_t cpu_price = 0, memory_price = 0;  // per CPU and per GiB and hour
  std::string unique() const { return pod_uid + "/" + device + (part.empty() ? "" : "/" + part); }
  // What the part of it between two times costs.
  int64_t cost(WallTime begin, WallTime end) const;
};

std::vector<LedgerEntry> entries_of(const api::Json& allocation, WallTime to, const Prices&);
api::Json to_json(const LedgerEntry&);
std::optional<LedgerEntry> entry_from(const api::Json& row);

// When the Allocation ended (status.to), kept between its start and `now`; `now` where it does not say.
WallTime end_of(const api::Json& allocation, WallTime now);

// How long of an Allocation its GPUs were held and unused, as `status.idle` says it: {seconds, since}.
std::chrono::microseconds idle_of(const api::Json& allocation, WallTime now);

}  // namespace ingot::policy
