#include "controllers/reservation_book.h"

#include <vector>

#include "base/encoding.h"
#include "controllers/placement_writes.h"

namespace ingot::controllers {
namespace {

using scheduler::Reservation;

Key key_of(std::string_view unit) {
  return {kRootCluster, kReservations, "", hex(sha256(std::string(unit))).substr(0, 16)};
}

bool same(const Reservation& a, const Reservation& b) {
  return a.pods == b.pods && a.since == b.since && a.promised == b.promised && a.evicting == b.evicting;
}

Reservation read(const Json& object) {
  Reservation r{.unit = std::string(api::string_at(object, {"spec", "unit"})),
                .since = parse_rfc3339(api::string_at(object, {"spec", "since"})).value_or(WallTime{}),
                .evicting = api::bool_at(object, {"spec", "evicting"})};
  r.promised = parse_rfc3339(api::string_at(object, {"spec", "promised"}));
  for (const Json& node : api::array_at(object, {"spec", "nodes"}))
    r.pods[std::string(api::string_at(node, {"name"}))] = api::int_at(node, {"pods"}).value_or(0);
  return r;
}

Json object_of(const Reservation& r, JsonObject spec, WallTime now) {
  JsonArray nodes;
  for (const auto& [name, pods] : r.pods) nodes.push_back(JsonObject{{"name", name}, {"pods", pods}});
  spec["unit"] = r.unit;
  spec["nodes"] = std::move(nodes);
  spec["since"] = to_rfc3339_micro(r.since);
  if (r.promised) spec["promised"] = to_rfc3339_micro(*r.promised);
  spec["evicting"] = r.evicting;
  return JsonObject{{"apiVersion", "factory.ingot.dev/v1alpha1"},
                    {"kind", "Reservation"},
                    {"metadata", JsonObject{{"name", key_of(r.unit).name()},
                                            {"uid", uuid_of(r.unit + to_rfc3339_micro(r.since))},
                                            {"creationTimestamp", to_rfc3339(now)}}},
                    {"spec", std::move(spec)}};
}

}  // namespace

void ReservationBook::load(const Key& key, const ObjectPtr& object) {
  if (object) {
    Reservation r = read(object->parse());
    std::string unit = r.unit;
    stored_.insert_or_assign(std::move(unit), std::move(r));
    return;
  }
  std::erase_if(stored_, [&](const auto& one) { return key_of(one.first) == key; });
}

void ReservationBook::restore() {
  for (const auto& [unit, r] : stored_)
    if (model_.unit(unit)) model_.set_reservation(r);
}

void ReservationBook::write(store::Turn& turn, const Describe& describe, WallTime now) {
  std::vector<std::string> gone;
  for (const auto& [unit, r] : stored_)
    if (!model_.reservations().contains(unit)) gone.push_back(unit);
  for (const std::string& unit : gone)
    if (!turn.get(key_of(unit)) || turn.erase(key_of(unit))) stored_.erase(unit);
  for (const auto& [unit, r] : model_.reservations()) {
    const auto before = stored_.find(unit);
    const scheduler::Unit* whose = model_.unit(unit);
    if (!whose || (before != stored_.end() && same(before->second, r))) continue;
    if (turn.put(key_of(unit), object_of(r, describe(*whose), now))) stored_.insert_or_assign(unit, r);
  }
}

}  // namespace ingot::controllers
