// http templates: one request, made by a node of the factory from within the network of a pod of the tenant's
// (node/http_step.h), judged here. Pure; any thread. Source: Argo Workflows, workflow/executor/http and docs/http-template.md.
#pragma once

#include "workflow/run.h"

namespace ingot::workflow {

// What is wrong with such a template, filled or not.
Or<void> check_http(const Json& body);
// What the pod's node is to ask, of a filled template.
Json asked_of(const Json& filled);
// The container that stands for it: nothing runs in it.
Json http_container();
// The Secrets that its headers name.
void http_secrets(const Json& filled, std::vector<std::string>& names);

// What the answer that the pod left means for its node: outputs.result is the body. `inputs`: what expressions may name
// beside `request` and `response`.
PodReport judge_http(const Json& filled, PodReport, JsonObject inputs, WallTime now);

}  // namespace ingot::workflow
