// Which work is let off a budget: GateExceptions with spec.budget, until they expire. Pure; the owner's thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/object.h"
#include "base/time.h"

namespace ingot::controllers {

// A pod as exceptions see it. Its names are its tenant's choice, and so is what an exception by name lets off.
struct PodName {
  const api::Key* key;
  std::string_view workflow;
};

class BudgetExceptions {
 public:
  // nullptr: it is gone. Returns the budgets that are concerned.
  std::vector<std::string> set(std::string_view name, const api::Json*);
  // Those that have expired go. Returns their budgets.
  std::vector<std::string> expire(WallTime now);
  std::optional<WallTime> next() const;  // when one expires
  bool any(std::string_view budget) const { return by_budget_.contains(budget); }
  // Whether all of the pods are let off.
  bool lift(std::string_view budget, std::string_view tenant, const std::vector<PodName>&,
            WallTime now) const;
  void clear();

 private:
  struct One {
    std::string budget, tenant, ns, pod, workflow;
    WallTime expires;
    bool meets(std::string_view tenant, const PodName&, WallTime now) const;
  };
  std::map<std::string, One, std::less<>> all_;                                      // by name
  std::map<std::string, std::map<std::string, const One*>, std::less<>> by_budget_;  // by name in it
};

}  // namespace ingot::controllers
