// The scheduler's reservations as objects (Reservation, in root), so that room that was made or kept for somebody is
// still his after a restart: otherwise others take it, and he evicts again.
//
// Thread rule: the loop. Invariant: after write() the objects are the model's reservations, but for writes that the
// store refused; those are made at the next write().
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "controllers/plan.h"
#include "scheduler/model.h"
#include "store/shard.h"

namespace ingot::controllers {

inline constexpr std::string_view kReservations = "reservations.factory.ingot.dev";

class ReservationBook {
 public:
  explicit ReservationBook(scheduler::Model& model) : model_(model) {}

  void load(const Key&, const ObjectPtr&);
  void restore();  // into the model, once its units are known
  // `describe`: whose it is, for people: tenant, namespace and name of the unit's work.
  using Describe = std::function<JsonObject(const scheduler::Unit&)>;
  void write(store::Turn&, const Describe&, WallTime now);
  void clear() { stored_.clear(); }

 private:
  scheduler::Model& model_;
  std::map<std::string, scheduler::Reservation> stored_;  // by unit
};

}  // namespace ingot::controllers
