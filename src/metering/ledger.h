// The ledger: one row per device an Allocation held, and one for its CPU and memory.
//
// Thread rule: the loop. Invariants: an Allocation's rows and its erasure are one turn's writes, so a crash leaves both
// or neither; a row's `unique` is POD-UID/DEVICE[/INSTANCE], so none counts twice; nothing else erases an Allocation.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/env.h"
#include "policy/ledger_entry.h"
#include "store/shard.h"

namespace ingot::metering {

using policy::entries_of, policy::entry_from, policy::to_json, policy::end_of, policy::idle_of;
using policy::kCpu, policy::format_micro, policy::parse_price, policy::prices_from, policy::Prices;
using Entry = policy::LedgerEntry;

inline constexpr std::string_view kStream = policy::kLedger;

// The prices as of now: PriceList `default`.
Prices current_prices(const store::Turn&);

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
