// containerSet: several containers of one pod, each shown as a node, some after others. Pure; any thread.
// Source: Argo Workflows, pkg/apis/workflow/v1alpha1/container_set_template_types.go, workflow/controller/container_set_template.go.
#pragma once

#include "workflow/flow.h"

namespace ingot::workflow {

// What is wrong with the containers of such a template: names, dependencies that are missing or go round in a circle.
Or<void> check_container_set(const Json& body);
// The annotation by which a node starts them in order (node/pod.h, kOrderAnnotation); "": all at once.
inline constexpr std::string_view kOrderAnnotation = "factory.ingot.dev/container-order";
std::string order_of(const JsonArray& containers);
// The annotation by which a node tries failed ones again (node/pod.h, kRetriesAnnotation), of `retryStrategy`, filled; "":
// none is.
inline constexpr std::string_view kRetriesAnnotation = "factory.ingot.dev/container-retries";
Or<std::string> retries_of(const Json& container_set);
// A container as a pod has it, with what all of them mount.
Json plain_container(Json container, const JsonArray& mounts);

}  // namespace ingot::workflow
