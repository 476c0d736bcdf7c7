// The ledger: one row per device an Allocation held, and one for its CPU and memory.
//
// Thread rule: the loop. Invariants: an Allocation's rows and its erasure are one turn's writes, so a crash leaves both
// or neither; a row's `unique` is POD-UID/DEVICE[/INSTANCE], so none counts twice; nothing else erases an Allocation.
// A share or a MIG instance costs its part of the GPU: what it counts in queues and limits.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/env.h"
#include "metering/prices.h"
#include "store/shard.h"

namespace ingot::metering {

inline constexpr std::string_view kStream = "ledger";
inline constexpr std::string_view kCpu = "cpu";  // `device` of the row for CPU and memory

struct Entry {
  std::string tenant, cluster, ns, pod, pod_uid, node;
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

std::vector<Entry> entries_of(const api::Json& allocation, WallTime to, const Prices&);
api::Json to_json(const Entry&);
std::optional<Entry> entry_from(const api::Json& row);

// The prices as of now: PriceList `default`.
Prices current_prices(const store::Turn&);
// When the Allocation ended (status.to), kept between its start and `now`; `now` where it does not say.
WallTime end_of(const api::Json& allocation, WallTime now);

// How long of an Allocation its GPUs were held and unused, as `status.idle` says it: {seconds, since}.
std::chrono::microseconds idle_of(const api::Json& allocation, WallTime now);

// What a tenant used since this process began: counters, as /metrics wants them.
struct TenantTotals {
  std::string cluster, tenant, currency;  // by cluster, for a name may be another's one day
  double gpu_seconds = 0, idle_gpu_seconds = 0, cpu_seconds = 0, cost = 0;
};
inline constexpr size_t kMaxTenantTotals = 20'000;

// Books Released Allocations, from the start on.
class Ledger {
 public:
  Ledger(env::Env&, store::Shard&);
  ~Ledger();
  uint64_t booked() const;  // Allocations
  // By tenant: what was booked since the start, and what is held from then until `now`. Never less than before. The
  // first kMaxTenantTotals tenants alone.
  std::vector<TenantTotals> totals(WallTime now);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot::metering
