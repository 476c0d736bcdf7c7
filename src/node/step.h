// A step of a workflow: what it needs is brought before its containers start; what its main container leaves is read when
// that has ended, and told with the pod's last status, in an annotation. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "node/pod.h"
#include "node/runtime.h"

namespace ingot::node {

// What the pod's template says: {"inputs": {"artifacts": […]}, "containers": […], "outputs": {"parameters": […], "artifacts":
// […]}, "result": true}, or {"http": {…}}.
inline constexpr std::string_view kTemplateAnnotation = "workflows.argoproj.io/template";
// What it left: {"result": "…", "parameters": [{"name", "value"}], "artifacts": [{"name", "path", "s3"}], "error": "…"}, or
// {"http": {"statusCode", "headers", "body"}}.
inline constexpr std::string_view kOutputsAnnotation = "workflows.argoproj.io/outputs";
inline constexpr std::string_view kStepContainer = "main";
// Of a pod that could not be given its artifacts.
inline constexpr std::string_view kArtifactsNotReady = "ArtifactsNotReady";
inline constexpr size_t kMaxOutputs = 200 * 1024;  // of all of it: an annotation holds no more

struct Step {
  struct Parameter {
    std::string name, path;
    std::optional<std::string> otherwise;  // where there is no such file
  };
  bool result = false;  // what it wrote to its standard output
  std::vector<Parameter> parameters;
  std::vector<api::Json> brought;       // entries of inputs.artifacts
  std::vector<std::string> containers;  // that have them
  std::vector<api::Json> kept;          // entries of outputs.artifacts
  std::optional<api::Json> http;        // the request that it is; it then needs and leaves nothing else
  bool leaves() const { return result || !parameters.empty() || !kept.empty(); }
};
// None: the pod is no step, or needs and leaves nothing.
std::optional<Step> step_of(const Pod&);

Result<std::vector<ArtifactIn>> artifacts_in(const Step&, const PodConfig*);
Result<std::vector<ArtifactOut>> artifacts_out(const Step&);
// Where artifacts of a step are in its containers: of `directory`, as Bring says.
std::vector<Mount> artifact_mounts(const Step&, const std::string& directory, const Brought&);

// The annotation's text.
std::string outputs_of(const Step&, const Result<Left>&);

}  // namespace ingot::node
