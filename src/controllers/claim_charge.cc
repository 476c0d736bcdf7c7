#include "controllers/claim_charge.h"

#include <algorithm>

#include "base/assert.h"
#include "controllers/placement_writes.h"

namespace ingot::controllers {
namespace {

api::ObjectPtr heir_of(const store::Turn& turn, const scheduler::Model& model,
                       const std::set<std::string>& users) {
  api::ObjectPtr heir;
  std::tuple<bool, WallTime> first;
  for (const std::string& uid : users) {
    const api::ObjectPtr stored = turn.get({kRootCluster, kAllocations, "", uid});
    if (!stored || api::string_at(stored->parse(), {"status", "phase"}) == "Released") continue;
    const scheduler::Allocation& a = *model.allocation(uid);
    const std::tuple order(a.leaving, a.since);
    if (!heir || order < first) std::tie(heir, first) = std::pair(stored, order);
  }
  return heir;
}

}  // namespace

std::optional<std::string> charge_heir(store::Turn& turn, const scheduler::Model& model, WallTime now) {
  ASSERT(!model.uncharged().empty());
  const auto& [claim, users] = *model.uncharged().begin();
  const api::ObjectPtr stored = heir_of(turn, model, users);
  if (!stored) return std::nullopt;  // all are gone, which the model hears in a moment
  api::Json allocation = stored->parse();
  api::JsonArray devices = api::array_at(allocation, {"spec", "devices"});
  for (api::Json& device : devices) {
    if (api::string_at(device, {"claimUID"}) != claim) continue;
    api::erase(device, {"charged"});
    api::set(device, {"from"}, to_rfc3339_micro(now));
  }
  api::set(allocation, {"spec", "devices"}, std::move(devices));
  if (!turn.put(stored->key, std::move(allocation), stored->revision)) return std::nullopt;
  return std::string(stored->key.name());
}

}  // namespace ingot::controllers
