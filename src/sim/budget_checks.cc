#include "sim/budget_checks.h"

#include <algorithm>

#include "base/time.h"
#include "policy/ledger_entry.h"
#include "policy/prices.h"

namespace ingot::sim {

using api::Json;
using api::string_at;

void BudgetChecks::violate(std::string what) {
  if (violations_.size() < 20 && std::ranges::count(violations_, what) == 0)
    violations_.push_back(std::move(what));
}

double BudgetChecks::spent(const Truth& truth, WallTime at) const {
  Duration sum{};
  for (const Held& held : truth.held())
    if (held.from < at && pods_.contains(held.pod_uid)) sum += std::min(held.to.value_or(at), at) - held.from;
  return std::chrono::duration<double>(sum).count();
}

void BudgetChecks::follow(const store::Change& change, const Truth& truth) {
  if (change.deleted || change.before || change.object->key.resource() != "allocations.factory.ingot.dev")
    return;
  const Json allocation = change.object->parse();
  if (string_at(allocation, {"spec", "tenant"}) != tenant_) return;
  if (api::array_at(allocation, {"spec", "devices"}).empty()) return;  // that costs nothing
  const auto made = parse_rfc3339(string_at(allocation, {"metadata", "creationTimestamp"}));
  if (!made) return violate("an Allocation that does not say since when it is there");
  if (!pods_.emplace(change.object->key.name()).second || lifted_) return;
  if (const double before = spent(truth, *made); before >= double(amount_))
    violate("budget passed: pod " + std::string(change.object->key.name()) + " of " + tenant_ +
            " began when " + std::to_string(before) + " of " + std::to_string(amount_) + " were spent");
}

void BudgetChecks::compare(const Json& budget, const std::vector<store::StoredRow>& ledger) {
  int64_t booked = 0;
  for (const store::StoredRow& stored : ledger) {
    const auto row = api::parse_json(stored.row.data);
    const auto entry = row ? policy::entry_from(*row) : std::nullopt;
    if (entry && entry->tenant == tenant_) booked += entry->cost(entry->from, entry->to);
  }
  const int64_t counted =
      policy::parse_amount(string_at(budget, {"status", "counted", "amount"})).value_or(-1);
  if (counted != booked)
    violate("budget miscounted: it says " + policy::format_micro(counted) + ", the ledger has " +
            policy::format_micro(booked));
}

}  // namespace ingot::sim
