// Runs that may not begin yet, as gates say, and what was said of those that have. That a run was judged is an object of
// `runverdicts`, of the Workflow's name, that no client sees: whatever a tenant writes into its Workflow's status, a run begins
// only after it was judged. It goes with the Workflow.
//
// Thread rule: the loop, in the turn given. Invariant: the record is written in the turn of the run's first nodes.
#pragma once

#include <set>
#include <string>

#include "pipelines/judge.h"

namespace ingot::pipelines {

// {uid, at, identity}: what let the run of this uid begin, and which row says so; null: nobody had to.
api::Json run_verdict(const store::Turn&, const api::Key& workflow, std::string_view uid);

class HeldRuns {
 public:
  explicit HeldRuns(Judge judge) : judge_(std::move(judge)) {}

  enum class Answer : uint8_t {
    Begins,   // it may, or has begun before
    Held,     // and its Workflow says why
    Refused,  // the store has taken nothing
  };
  // `begun`: the factory's own rows say that it has.
  Answer ask(store::Turn&, const api::ObjectPtr&, const api::Json& object, const api::Json& spec,
             const api::JsonObject& templates, bool begun, WallTime now);
  static bool was_held(const api::Json& workflow);    // as its status says
  void gone(store::Turn&, const api::Key& workflow);  // the Workflow is
  void over(const api::Key& workflow) { held_.erase(workflow.text()); }
  void clear() { held_.clear(); }
  const std::set<std::string>& held() const { return held_; }  // by key

 private:
  static bool hold(store::Turn&, const api::ObjectPtr&, const std::string& why, WallTime now);

  const Judge judge_;
  std::set<std::string> held_;
};

}  // namespace ingot::pipelines
