// What a budget must never be seen to do, whatever happens: let work begin once its money is spent, count what was spent
// twice or not at all. Each violation is one line. Thread rule: the simulation's loop.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "sim/truth.h"
#include "store/shard.h"

namespace ingot::sim {

// A budget of one tenant's work. Its prices: 1 for a second of a GPU, nothing else costs.
class BudgetChecks {
 public:
  BudgetChecks(std::vector<std::string>& violations, std::string tenant, int64_t amount)
      : violations_(violations), tenant_(std::move(tenant)), amount_(amount) {}
  // Every durable change: an Allocation that begins is measured against what really was held before it.
  void follow(const store::Change&, const Truth&);
  // From now on there is money for everything.
  void lift() { lifted_ = true; }
  // At rest: what the Budget says it counted is what the ledger has.
  void compare(const api::Json& budget, const std::vector<store::StoredRow>& ledger);

 private:
  void violate(std::string);
  double spent(const Truth&, WallTime at) const;  // at least

  std::vector<std::string>& violations_;
  std::string tenant_;
  int64_t amount_;
  bool lifted_ = false;
  std::set<std::string> pods_;  // uids of those of the tenant that were ever given something
};

}  // namespace ingot::sim
