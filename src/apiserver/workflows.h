// Workflows: their nodes lie beside them (workflow/rows.h) and are put into what clients see, and taken out of what they
// write. Loop thread, inside the turn.
#pragma once

#include "apiserver/context.h"

namespace ingot::apiserver {

bool is_workflow(const api::Resource&);
// With its nodes.
api::ObjectPtr whole_workflow(const ClusterView&, const api::ObjectPtr&);
// Takes the nodes out of `after`, and writes those that differ from what is stored (not on a dry run). Returns whether
// any does.
bool keep_nodes(Call&, const api::ObjectPtr& stored, api::Json& after);

// A run that has begun keeps what it runs.
Result<void> check_begun(Call&, const api::Json& before, const api::Json& after);

// Workflow, WorkflowTemplate, ClusterWorkflowTemplate, CronWorkflow: what is wrong with its text.
bool holds_templates(const api::Resource&);
Result<void> check_templates(Call&, const api::Json& object);

}  // namespace ingot::apiserver
