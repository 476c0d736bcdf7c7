// What every run of a workflow must satisfy, whatever happened: a step that has succeeded is not begun again, every Workflow
// ends once the faults have, and nodes go with the Workflow that they are of. Told in the order of durable changes.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "store/shard.h"

namespace ingot::sim {

class WorkflowChecks {
 public:
  explicit WorkflowChecks(std::vector<std::string>& violations) : violations_(violations) {}
  void follow(const store::Change&);
  size_t succeeded() const { return done_.size(); }  // steps

 private:
  std::vector<std::string>& violations_;
  void violate(std::string what) {
    if (violations_.size() < 20) violations_.push_back(std::move(what));
  }
  void follow_row(const store::Change&);

  std::map<std::string, std::string> done_;  // "CLUSTER WORKFLOW-UID NODE" → the pod that succeeded
  std::set<std::string> rows_;               // keys of rows that said so
};

// At rest.
void check_workflows_rest(store::Turn&, std::vector<std::string>& violations);

}  // namespace ingot::sim
