// Reads what the audit wrote: who did what, oldest first, page by page. Loop thread.
//
// Rows are found by their time without an index, since they come in its order but for corrections of the clock, which kSlack
// allows for; those that match are told as they lie, unparsed. A page looks at no more than kLooked rows, and may be empty
// with more to come.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "env/env.h"
#include "store/shard.h"

namespace ingot::apiserver {

struct AuditQuery {
  std::string cluster;                     // "" = all
  std::string user, verb, resource, name;  // exactly; "" = any
  bool denied = false;                     // those that were refused alone
  bool changes = false;                    // those that wrote something alone
  std::optional<WallTime> since;
  uint64_t after = 0;  // as `next` of the page before said; 0: the first
  int most = 500;
};

inline constexpr int kLooked = 50'000;
inline constexpr std::chrono::minutes kSlack{10};

// {"rows": [{at, cluster, user, verb, …}], "next"?: "N"}; `done` is called once.
void read_audit(store::Shard&, AuditQuery, std::move_only_function<void(Result<std::string>)> done);

}  // namespace ingot::apiserver
