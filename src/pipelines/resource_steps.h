// Steps that get, make or change an object (workflow/resource.h), under the rights of the run's service account, and wait
// until it is as their conditions want it. Not stored: a node that runs has done what it was to do, one that is pending may
// have, and does it again.
//
// Thread rule: the loop. Invariants: no more than kAtATime requests are on their way, of one cluster no more than kOfOne, and
// clusters take turns; what was stopped says nothing.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/registry.h"
#include "env/env.h"
#include "pipelines/requests.h"
#include "store/shard.h"
#include "workflow/resource.h"

namespace ingot::pipelines {

class ResourceSteps {
 public:
  // `news`: of a Workflow (its key's text) there is something to be taken.
  ResourceSteps(env::Env&, const api::Registry&, Requests*,
                std::function<void(const std::string& workflow)> news);
  ~ResourceSteps();

  // An error: it cannot be done.
  workflow::Or<void> begin(const store::Turn&, const api::Key& workflow, const workflow::Run&,
                           const workflow::Wanted::Pod&);
  void stop(const api::Key& workflow, const std::string& node_id);
  void forget(const api::Key& workflow);
  void clear();

  struct News {
    std::string node_id;
    workflow::PodReport report;
  };
  std::vector<News> take(const api::Key& workflow);

 private:
  struct Step;
  using StepPtr = std::shared_ptr<Step>;
  void want(const StepPtr&);
  void pump();
  void send(const StepPtr&);
  void told(const StepPtr&, Result<Told>);
  void acted(const StepPtr&, api::Json object);
  void later(const StepPtr&, Duration);
  void end(const StepPtr&, workflow::PodReport);
  void say(const StepPtr&, workflow::PodReport);

  env::Env& env_;
  const api::Registry& registry_;
  Requests* requests_;
  std::function<void(const std::string&)> news_;
  std::map<std::string, std::map<std::string, StepPtr>> steps_;  // by Workflow, by node
  std::map<std::string, std::vector<News>> said_;                // by Workflow
  struct Line {
    size_t in_flight = 0;
    std::deque<std::weak_ptr<Step>> waiting;
  };
  void dispatch(const StepPtr&, Ask, std::move_only_function<void(Result<Told>)>);
  std::map<std::string, Line> lines_;  // by cluster
  std::string last_;                   // whose turn it was
  size_t in_flight_ = 0;
  std::shared_ptr<ResourceSteps*> self_;
};

}  // namespace ingot::pipelines
