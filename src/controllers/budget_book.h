// The Budgets of the factory: what the work of each costs, as the ledger books it and as it runs, which work must wait for
// money, comes after all other, or is stopped.
//
// A unit starts only if what it costs until the period's end, at most and as long as it is expected to run, fits in what is
// left below the limit that holds new work: spent, and still to be spent on what runs. So a period ends above its limit by
// no more than what ran longer than was expected, or was begun in the period before; and where the limit stops work,
// by no more than what that costs within its grace.
//
// Thread rule: the loop. Invariants: with no Budget nothing is done for pods; a row of the ledger counts once, also
// across restarts (status.counted); what cannot be counted (yet) holds new work where its limits would; a Budget is written
// when its phase changes, otherwise at most once in kEvery; steps are bounded.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/text_map.h"
#include "controllers/budget_exceptions.h"
#include "controllers/budget_line.h"
#include "controllers/budget_view.h"
#include "controllers/ledger_tail.h"
#include "policy/gates.h"
#include "scheduler/model.h"

namespace ingot::controllers {

class PlacementUnits;

std::string budget_hash(const policy::Budget&);  // of what counts in it

inline constexpr std::string_view kBudgets = "budgets.factory.ingot.dev",
                                  kPriceLists = "pricelists.factory.ingot.dev";

class BudgetBook final : public policy::BudgetDesk {
 public:
  static constexpr Duration kEvery = std::chrono::seconds(10);

  // `wake`: asks for a step.
  BudgetBook(env::Env&, store::Shard&, scheduler::Model&, std::function<void()> wake);

  bool none() const { return lines_.empty(); }
  void load_budget(const Key&, const ObjectPtr&);
  void load_exception(const Key&, const ObjectPtr&);
  void load_prices(const ObjectPtr&);
  void regroup();  // queues or tenants are others
  // An Allocation of the model; its object where that is at hand.
  void opened(const scheduler::Allocation&, std::string_view tenant, const Json* object = nullptr);
  // It is Released; or, without an object, gone, and so in the ledger.
  void ended(std::string_view uid, const Json* released);
  void restore();         // all that is held is known
  bool starting() const;  // the ledger is not read yet: what is placed now could cost too much

  // Says why the unit waits where its money is short, and lowers its priority where that is what happens.
  void judge(scheduler::Unit&, std::string_view tenant, const std::vector<PodName>&);
  void forget(std::string_view unit);  // it waits no more
  // Whether pods of the model, that are about to start as one, still fit.
  bool admits(const std::vector<std::string>& uids, std::string_view tenant, const std::vector<PodName>&);

  // For gates: what speaks against work by a budget that a gate names, whether that covers it or not; what a unit costs.
  std::optional<policy::Objection> object(std::string_view budget, const policy::Facts&,
                                          WallTime) const override;
  int64_t estimate(const scheduler::Unit&) const;
  const std::string& currency() const { return prices_.currency; }

  struct Step {
    std::vector<Key> again;          // pods that wait, to be judged again
    std::set<std::string> clusters;  // so are all of theirs; "" in it: of all
    bool gates = false;              // whom they hold for a budget, too
    std::optional<Duration> next;    // how long until there is more to do
  };
  // `settled`: none of those is left from before.
  Step step(store::Turn&, const PlacementUnits&, bool settled);
  void clear();
  std::vector<BudgetView> views() const;
  // For `ingot budget`: of all, or of one by its name, then with the dearest work; for a tenant those that name it.
  JsonArray summaries(const store::Turn&, std::string_view tenant, std::string_view name) const;

 private:
  using Lines = std::vector<BudgetLine*>;
  struct Open {
    Lines lines;
    bool preemptible = true;  // as its pod says
  };
  struct Notice {
    Key about;
    std::string uid, type, reason, message;
  };
  WallTime now() const { return env_.clock.wall(); }
  const Lines& lines_of(std::string_view cluster, std::string_view tenant, std::string_view queue);
  bool covers(const BudgetLine&, std::string_view cluster, std::string_view tenant,
              std::string_view queue) const;
  policy::Holding holding_of(const scheduler::Allocation&) const;
  policy::Rate rate_of(const scheduler::Request&) const;
  policy::Rate rate_of(const scheduler::Unit&) const;
  WallTime end_of(const scheduler::Work&, std::string_view cluster, WallTime since, Duration assumed) const;
  std::string why_held(BudgetLine&, const scheduler::Unit&, std::string_view tenant, int64_t& cost) const;
  void recheck(BudgetLine&);
  void reorder_all(const BudgetLine&);
  void touch(BudgetLine& line) {
    line.stale = true;
    dirty_.insert(std::string(line.name()));
  }

  // budget_steps.cc
  void take(LedgerTail::Page);
  void settle(std::string_view uid);
  void read_ledger();
  void seed(store::Turn&);
  void visit(store::Turn&, BudgetLine&, const PlacementUnits&, Step&);
  void stand(BudgetLine&);
  void release(BudgetLine&, Step&);
  void stop(store::Turn&, BudgetLine&, const PlacementUnits&);
  void reorder(store::Turn&, const PlacementUnits&, bool settled);
  bool is_lifted(const store::Turn&, const BudgetLine&, std::string_view uid, const PlacementUnits&) const;
  void say_some(store::Turn&);
  // budget_status.cc
  policy::BudgetPhase phase_of(const BudgetLine&) const;
  void write(store::Turn&, BudgetLine&, const PlacementUnits&);
  std::string story(const BudgetLine&, policy::BudgetPhase) const;
  std::string stopped(const BudgetLine&, std::string_view tenant) const;  // what who is stopped is told
  void announce(const BudgetLine&, std::string_view uid, policy::BudgetPhase, const std::string& message,
                const PlacementUnits&);
  void plan(BudgetLine&);
  JsonArray dearest(const store::Turn&, const BudgetLine&) const;  // budget_story.cc

  env::Env& env_;
  scheduler::Model& model_;
  const std::function<void()> wake_;
  std::map<std::string, std::unique_ptr<BudgetLine>, std::less<>> lines_;                  // by name
  std::map<std::string, std::map<std::string, Lines, std::less<>>, std::less<>> matched_;  // cluster → queue
  BudgetExceptions exceptions_;
  std::optional<WallTime> expires_;  // the first of them
  policy::Prices prices_;
  bool priced_ = false;
  mutable bool objected_ = false;  // gates were told so since they were asked again
  WallTime gates_asked_{};
  HashMap<Open> open_;                                 // by uid: what is held and counts somewhere
  HashMap<BudgetLine*> waiting_;                       // unit → the line that holds it
  std::deque<std::pair<uint64_t, std::string>> gone_;  // booked, and not read yet: since which page, uid
  LedgerTail tail_;
  uint64_t pages_ = 0;   // asked for
  bool behind_ = false;  // the ledger has rows that are not read
  bool restored_ = false;
  std::optional<Instant> restored_at_;
  std::optional<std::string> seed_after_;  // what is held is looked at: the last key
  std::set<std::string, std::less<>> dirty_;
  std::set<std::pair<WallTime, std::string>> agenda_;
  std::set<std::string> reorder_;        // uids whose priority may be another
  std::set<std::string> lower_;          // those that are to be lowered, after what waits
  std::vector<policy::Budget> rejudge_;  // whose work that waits is to be judged again
  std::deque<Notice> notices_;
};

}  // namespace ingot::controllers
