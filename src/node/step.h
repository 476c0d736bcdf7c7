// A step of a workflow: what its main container leaves is read when that has ended, and told with the pod's last status, in
// an annotation. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "node/pod.h"
#include "node/runtime.h"

namespace ingot::node {

// What the pod's template says of its outputs: {"outputs": {"parameters": […]}, "result": true}.
inline constexpr std::string_view kTemplateAnnotation = "workflows.argoproj.io/template";
// What it left: {"result": "…", "parameters": [{"name", "value"}], "error": "…"}.
inline constexpr std::string_view kOutputsAnnotation = "workflows.argoproj.io/outputs";
inline constexpr std::string_view kStepContainer = "main";
inline constexpr size_t kMaxOutputs = 200 * 1024;  // of all of it: an annotation holds no more

struct Step {
  struct Parameter {
    std::string name, path;
    std::optional<std::string> otherwise;  // where there is no such file
  };
  bool result = false;  // what it wrote to its standard output
  std::vector<Parameter> parameters;
};
// None: the pod is no step, or leaves nothing.
std::optional<Step> step_of(const Pod&);

// The annotation's text.
std::string outputs_of(const Step&, const Result<Left>&);

}  // namespace ingot::node
