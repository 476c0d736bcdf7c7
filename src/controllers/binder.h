// Writes what the scheduler decided for a unit: Allocations and node names of all its pods in one turn, or nothing.
//
// Thread rule: the loop. Invariant: what could fail is looked at before the first write, gates and budgets among it (gatekeeper.h, budget_book.h).
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/text_map.h"
#include "controllers/announcer.h"
#include "controllers/gatekeeper.h"
#include "controllers/placement_claims.h"
#include "controllers/placement_units.h"
#include "controllers/run_book.h"
#include "env/env.h"
#include "scheduler/schedule.h"

namespace ingot::controllers {

class Binder {
 public:
  struct Books {
    env::Env& env;
    scheduler::Model& model;
    PlacementUnits& units;
    PlacementClaims& claims;
    Gatekeeper& gates;
    BudgetBook& budgets;
    RunBook& runs;
    Announcer& announcer;
  };
  // An Allocation is to be read again, as it is in the turn.
  using Reload = std::function<void(store::Turn&, std::string_view uid)>;
  Binder(Books books, Reload reload) : b_(books), reload_(std::move(reload)) {}

  void clear();
  // A pod as it was read: most are bound in the same turn, and then need not be read again. Until `forget_read`.
  void keep(const api::Key&, Revision, api::Json pod);
  void forget_read() { read_.clear(); }
  // Whether this is what was written here; asked once, when the follower tells of it.
  bool wrote(const api::Key&, const api::ObjectPtr&);

  // False: the pods are not what they were when the unit was made, or a gate or a budget holds one by now; the model is put right and
  // the unit comes again.
  bool bind(std::span<const scheduler::Binding> unit, store::Turn&, WallTime now);

 private:
  struct Bound {
    const scheduler::Binding* binding;
    api::ObjectPtr before;
    api::Json pod;
    Claimed claims;
  };
  struct Read {
    Revision revision;
    api::Json pod;
  };
  api::Json read(const api::ObjectPtr&);
  bool write(std::vector<Bound>&, ClaimWrites&, store::Turn&, WallTime now);
  Grant grant(const Bound&) const;
  bool affords(std::span<const scheduler::Binding>) const;
  std::string_view tenant_of(const api::Key& pod) const { return b_.units.tenant_of(pod.cluster()); }

  const Books b_;
  const Reload reload_;
  HashMap<Revision> own_;  // what we wrote, until the follower tells of it
  HashMap<Read> read_;     // pods of the last keys
};

}  // namespace ingot::controllers
