// Budgets: an amount of money for a day, a week or a month, and what happens on the way to it. What is said here follows
// from numbers alone: what was spent, what is foreseen. Who counts is budget_count.h. Amounts are micro-units of the
// currency. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "api/json.h"
#include "base/time.h"

namespace ingot::policy {

// From the mildest on. Stop holds new work too.
enum class BudgetAction : uint8_t { Notify, LowerPriority, HoldNew, Stop };
enum class BudgetPeriod : uint8_t { Day, Week, Month };
std::string_view name_of(BudgetAction);
std::string_view name_of(BudgetPeriod);

struct BudgetLimit {
  int64_t at = 0;  // spent
  BudgetAction action = BudgetAction::HoldNew;
  bool operator==(const BudgetLimit&) const = default;
};

struct Budget {
  // Whose work: of these tenants, in these queues or below them. Empty: of all, in all.
  std::set<std::string, std::less<>> tenants, queues;
  int64_t amount = 0;
  std::string currency;
  BudgetPeriod period = BudgetPeriod::Month;
  std::optional<BudgetLimit> soft;
  BudgetLimit hard;
  Duration assumed = std::chrono::hours(1);  // how long work runs that nobody knows anything of
  bool operator==(const Budget&) const = default;

  // From which amount on new work is held; none: never.
  std::optional<int64_t> holds_at() const;
  bool covers(std::string_view tenant) const { return tenants.empty() || tenants.contains(tenant); }
  // What the count of spent money depends on, in short: other text, other count.
  std::string counts() const;
};
// Of a valid object.
Budget budget_from(const api::Json& object);

// A period in UTC: of a day, from Monday, from the first of the month.
struct Span {
  WallTime begin, end;
  bool operator==(const Span&) const = default;
};
Span span_of(BudgetPeriod, WallTime now);

enum class BudgetPhase : uint8_t { Counting, Ok, Soft, Hard, Unknown };
std::string_view name_of(BudgetPhase);

struct Standing {
  BudgetPhase phase = BudgetPhase::Ok;
  bool lowers = false, holds = false, stops = false;  // by what is spent
  std::optional<int64_t> next;                        // the amount spent at which that changes
  bool operator==(const Standing&) const = default;
};
Standing standing(const Budget&, int64_t spent);

// Why a piece of work must wait, and the way out; "": it may start. `foreseen`: what the period will have cost when what
// runs has ended as expected; `cost`: of the work, in what is left of the period, at most. Without `figures` nothing is
// told that says how much others spend.
struct Asked {
  std::string_view name;  // the budget's
  const Budget& budget;
  int64_t spent = 0, foreseen = 0, cost = 0;
  std::string_view why;  // the cost: "8 GPUs for up to 2h"
  WallTime until;        // the period's end
  bool figures = false;
};
std::string why_held(const Asked&);

}  // namespace ingot::policy
