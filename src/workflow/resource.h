// resource templates: one object that is got, created, applied, patched, replaced or deleted, and waited for. Pure; any
// thread. Source: Argo Workflows, workflow/executor/resource.go, docs/walk-through/kubernetes-resources.md.
#pragma once

#include "workflow/run.h"

namespace ingot::workflow {

struct ResourcePlan {
  std::string action;
  std::string api_version, kind, ns, name;
  std::string type;  // as `flags` name it: "configmap"; then without apiVersion and kind
  std::string subresource, query, selector;
  Json manifest;
  std::string patch_type;        // content type of `patch`
  std::string success, failure;  // conditions; "": none
};

// What is wrong with such a template, filled or not.
Or<void> check_resource(const Json& body);
// `filled`: as Wanted has it. A generated name follows from the node, so that doing it twice makes one object.
Or<ResourcePlan> plan_resource(const Json& filled, const Facts&, const Node&);
// Whether the object is the one that the node made.
bool made_by(const Json& object, const Facts&, const Node&);

// A comma-separated list of requirements as label selectors have them, on paths: "status.phase=Ready,status.n>1". Where a
// path is not there, it does not hold yet.
Or<bool> condition_holds(std::string_view condition, const Json& object);
// true: it has succeeded, false: failed; none: not yet.
Or<std::optional<bool>> judge(const ResourcePlan&, const Json& object);
Or<Values> resource_outputs(const Json& filled, const Json& object);

}  // namespace ingot::workflow
