// A Budget as the book keeps it. For budget_book.h and its parts alone.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "api/object.h"
#include "policy/budget.h"
#include "policy/budget_count.h"

namespace ingot::controllers {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::Key;
using api::ObjectPtr;

struct BudgetLine {
  Key key;
  policy::Budget budget;
  policy::BudgetCount count;
  uint64_t position = 0;  // of the ledger's rows, up to which all are counted
  bool asked = false;     // the page that is awaited is for it too
  bool counted = false;   // everything that was booked when it was last looked at
  bool seeded = false;    // everything that is held
  bool stood = false;     // it has been known how it stands
  bool foreign = false;   // prices are in another currency
  WallTime began{};       // known since then
  policy::Standing standing;

  // As its object says it.
  policy::BudgetPhase phase = policy::BudgetPhase::Counting;
  WallTime since{}, written{};
  bool said = false;  // it says anything
  bool stale = true;  // it may say something else
  std::optional<WallTime> due;

  // Units that wait for it, and what each would cost.
  struct Held {
    int64_t cost = 0;
    Key pod;  // one of it
  };
  std::map<std::string, Held, std::less<>> held;
  std::set<std::pair<int64_t, std::string>> by_cost;

  std::optional<std::string> stop_after;  // what is held is told to stop: the last uid that was looked at

  std::string_view name() const { return key.name(); }
  bool ready() const { return counted && seeded; }
  bool lowers() const { return ready() && !foreign && standing.lowers; }
  void drop(std::string_view unit);
};

}  // namespace ingot::controllers
