// Metadata that only the factory writes, because others trust it: which commit a Workflow runs, which node of a run a pod is.
// A signature stands on it, so no client sets, changes or removes it. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"

namespace ingot::api {

// Of Workflows that a push started (git/start.h).
inline constexpr std::string_view kRepositoryLabel = "factory.ingot.dev/repository",
                                  kCommitLabel = "factory.ingot.dev/commit",
                                  kUrlAnnotation = "factory.ingot.dev/repository-url";
// Of pods that a run made: "WORKFLOW_UID/NODE_ID".
inline constexpr std::string_view kRunNodeAnnotation = "factory.ingot.dev/run-node";

// Gives `after` the reserved metadata of `before` (nullptr: a new object, which has none). Returns the fields, such as
// `metadata.labels[factory.ingot.dev/commit]`, where it said otherwise. `resource`: "workflows.argoproj.io".
std::vector<std::string> keep_reserved(std::string_view resource, const Json* before, Json& after);

}  // namespace ingot::api
