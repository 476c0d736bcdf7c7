// Where runs of MLflow that a Workflow's pods make belong, unless they say otherwise: an experiment for all that was started the
// same way. Pure; any thread.
#pragma once

#include <string>

#include "api/json.h"

namespace ingot::pipelines {

// The node tells it to the pod's containers.
inline constexpr std::string_view kExperimentAnnotation = "factory.ingot.dev/experiment";

// The name of the template, schedule or repository a Workflow comes from; else its own without what generateName added.
std::string experiment_of(std::string_view workflow, const api::JsonObject& labels);

}  // namespace ingot::pipelines
