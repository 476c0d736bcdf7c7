// What the factory learns of run times (scheduler/past_runs.h), from Allocations that end, and as objects (PastRuns, in
// root), so that it is known still after a restart.
//
// Thread rule: the loop. Invariants: an object is written at most once in kEvery, so a crash forgets no more than what ended
// in that time; objects of origins that were forgotten go.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "controllers/plan.h"
#include "scheduler/model.h"
#include "store/shard.h"

namespace ingot::controllers {

inline constexpr std::string_view kPastRuns = "pastruns.factory.ingot.dev";

class RunBook {
 public:
  static constexpr Duration kEvery = std::chrono::seconds(10);

  explicit RunBook(scheduler::Model& model) : model_(model) {}

  void load(const Key&, const ObjectPtr&);
  void restore();  // into the model, once its tenants are known
  // An Allocation of the model, and whose it is.
  void opened(const std::string& uid, const Key& pod, const scheduler::Work&);
  // It is about to leave the model; `released`: its object, where there still is one.
  void closing(const store::Turn&, std::string_view uid, const Json* released, WallTime now);
  // Writes what it may; none: all is written, else how long until there is more to do.
  std::optional<Duration> write(store::Turn&, WallTime now);
  void clear();

 private:
  using Origin = scheduler::PastRuns::Key;
  struct Stored {
    Origin origin;
    scheduler::RunList runs;
  };
  bool write(store::Turn&, const Origin&, WallTime now);

  scheduler::Model& model_;
  std::map<Key, Stored> stored_;                  // until they are restored
  std::map<std::string, Key, std::less<>> pods_;  // of open Allocations that tell something, by uid
  std::set<Origin> due_;
  std::optional<WallTime> round_;
};

}  // namespace ingot::controllers
