// A Workflow as it is stored, to a run. Thread rule: the loop, in the turn given.
#pragma once

#include <memory>

#include "base/text_map.h"
#include "store/shard.h"
#include "workflow/reading.h"
#include "workflow/run.h"

namespace ingot::pipelines {

// What was read lately, by its text: thousands of Workflows of one template share one Flow.
class Flows {
 public:
  workflow::Or<workflow::FlowPtr> read(const api::Json& spec, const api::JsonObject& stored);

 private:
  HashMap<std::weak_ptr<const workflow::Flow>> known_;
  size_t sweep_at_ = 1'024;
};

struct ReadWorkflow {
  std::unique_ptr<workflow::Run> run;
  bool stored = false;        // the object has what it refers to now, and is to be written
  api::JsonObject templates;  // of others, that it uses
  bool suspended = false;
  workflow::Shutdown shutdown = workflow::Shutdown::No;
};

// ConfigMaps beside the Workflow, while the turn lasts.
workflow::Config config_maps(const store::Turn&, const api::Key& workflow);
// What a ConfigMap (nullptr: there is none) says of a semaphore.
workflow::Or<int64_t> semaphore_size(const api::ObjectPtr& map, std::string_view name, std::string_view key);

// WorkflowTemplates beside it, and ClusterWorkflowTemplates, while the turn lasts.
workflow::Lookup templates(const store::Turn&, const api::Key& workflow);

// Looks up what it refers to, and keeps that in the object's status, so that it stays as it was when the run began.
workflow::Or<ReadWorkflow> read_workflow(const store::Turn&, const api::Key&, api::Json& object, Flows&,
                                         workflow::Locks&);

}  // namespace ingot::pipelines
