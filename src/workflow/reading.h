// A Workflow's text to what it runs: with the WorkflowTemplate it names, and everything its templates refer to. Pure; any
// thread.
#pragma once

#include <functional>

#include "api/object.h"
#include "workflow/flow.h"

namespace ingot::workflow {

// A WorkflowTemplate, or of the cluster a ClusterWorkflowTemplate; none: there is none.
using Lookup = std::function<std::optional<Json>(bool cluster, std::string_view name)>;

struct Resolved {
  Json spec;           // merged with the WorkflowTemplate's
  JsonObject stored;   // templates of others, as Flow::read takes them
  bool fresh = false;  // something was looked up, and is to be kept with the run
};

// `object`: a Workflow; what its status keeps is not looked up again.
Or<Resolved> resolve(const Json& object, const Lookup&);
Json with_stored(Json object, const Resolved&);

// What is wrong with a Workflow, WorkflowTemplate, ClusterWorkflowTemplate or CronWorkflow that is being written. What a
// template of templates refers to may come later.
Or<void> check(std::string_view kind, const Json& object, const Lookup&);
// In a namespace with this label, "true", who submits names a WorkflowTemplate and sets nothing but what is on a list. Source:
// Argo Workflows' templateReferencing: Strict.
inline constexpr std::string_view kByReferenceLabel = "factory.ingot.dev/workflows-by-reference";
bool by_reference_alone(const api::Object& ns);
Or<void> check_by_reference(std::string_view kind, const Json& object);
// The part of it that needs nobody else, and so no turn; whether that is all of it; and of one that refers to others that
// they are there.
Or<void> check_alone(std::string_view kind, const Json& object);
bool stands_alone(const Json& object);
Or<void> check_references(const Json& object, const Lookup&);
// Fields that mean nothing here, for a warning.
std::vector<std::string> ignored(const Json& object);

}  // namespace ingot::workflow
