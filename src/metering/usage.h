// Who used what between two times: ledger rows, and what is still held, summed by tenant.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "metering/ledger.h"

namespace ingot::metering {

struct UsageQuery {
  std::string tenant;   // by name; "" = all
  std::string cluster;  // by id: set for a tenant that asks itself, for its name may have been another's
  std::optional<WallTime> since;  // none: from the beginning
  bool pods = false;              // with a list per pod, at most kMaxPods
};
inline constexpr size_t kMaxPods = 10'000;

// The sum over [since, now]. Entries that reach beyond count with the part inside. Pure; any thread.
class Usage {
 public:
  Usage(UsageQuery query, WallTime now) : query_(std::move(query)), now_(now) {}
  void add(const Entry&);
  // {since, until, tenants: [{tenant, currency, gpuSeconds, idleGpuSeconds, cpuSeconds, memoryGiBSeconds, cost, simulated,
  //  byModel: {MODEL: {gpuSeconds, cost}}, pods: […]}]}, by tenant. Seconds are numbers, costs decimal text.
  api::Json report() const;

 private:
  struct Held {
    __int128 gpu = 0, idle = 0, cpu = 0,
             memory = 0;  // milli-GPU (held; of that unused), milli-CPU and MiB microseconds
    int64_t cost = 0;
  };
  struct Pod {
    Held held;
    std::string ns, name, uid, node;
    std::vector<std::string> devices;
    WallTime from, to;
  };
  struct Sum {
    Held held;
    bool simulated = false;
    std::map<std::string, Held> models;
    std::map<std::string, Pod> pods;  // by uid
  };
  static void put(api::JsonObject&, const Held&);

  const UsageQuery query_;
  const WallTime now_;
  std::map<std::pair<std::string, std::string>, Sum> sums_;  // tenant, currency
  size_t pods_ = 0;
  bool cut_ = false;
};

// Reads open Allocations in this turn, then the ledger, page by page; `done` is called once, on the loop. An
// Allocation that is closed meanwhile counts once.
void report(env::Env&, store::Shard&, store::Turn&, UsageQuery,
            std::move_only_function<void(Result<api::Json>)> done);

}  // namespace ingot::metering
