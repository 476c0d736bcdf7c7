// Workflows: their nodes lie beside them (workflow/rows.h) and are put into what clients see, and taken out of what they
// write. Loop thread, inside the turn, but for look_at_templates().
#pragma once

#include "apiserver/context.h"

namespace ingot::apiserver {

bool is_workflow(const api::Resource&);
// A Workflow and the rows of its nodes, none of which ever changes: made one in the turn or, as that takes long where there are
// many, beside it.
struct WorkflowParts {
  api::ObjectPtr workflow;
  std::vector<api::ObjectPtr> nodes;
};
inline constexpr size_t kManyNodes = 1'000;
WorkflowParts workflow_parts(const ClusterView&, const api::ObjectPtr&);
// With its nodes. Any thread.
api::ObjectPtr whole_workflow(const WorkflowParts&);
// Within the turn, however many there are.
api::ObjectPtr whole_workflow(const ClusterView&, const api::ObjectPtr&);
// A reply that is written beside the loop, for it shows many nodes. TooManyRequests: of so many of that tenant's before it
// some have not been sent yet.
Result<Outcome> answer_later(Call&, Revision shows, int code, std::function<Reply()> write);
Result<Outcome> show_later(Call&, int code, WorkflowParts);
// What a patch says of the nodes has to be seen and judged; most say nothing of them.
bool speaks_of_nodes(PatchKind, const api::Json& patch);
// What a client would change of a Workflow's nodes: a row, and what it is then; null: it goes.
using NodeEdits = std::vector<std::pair<api::ObjectPtr, api::Json>>;
// Takes the nodes out of `after`.
NodeEdits take_nodes(const ClusterView&, const api::ObjectPtr& stored, api::Json& after);
// To be written with the Workflow, once nothing can be refused any more.
Result<void> write_nodes(ClusterView&, NodeEdits);

// A run that has begun keeps what it runs, and that of a commit does so from the first, its arguments too.
Result<void> check_begun(Call&, const api::Json& before, const api::Json& after);

// Workflow, WorkflowTemplate, ClusterWorkflowTemplate, CronWorkflow: what is wrong with its text. What a CronWorkflow runs is
// looked at again only when it is another than `before`, so that one whose template is gone can still be suspended.
bool holds_templates(const api::Resource&);
// What needs no turn: a text of megabytes takes a while. Any thread.
void look_at_templates(Prepared&);
Result<void> check_templates(Call&, const api::Json& object, const api::Json* before = nullptr);

}  // namespace ingot::apiserver
