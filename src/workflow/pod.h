// The pod of a node. Pure; any thread. Names, labels and annotations are Argo's: workflow/controller/workflowpod.go,
// workflow/util/pod_name.go, workflow/common/common.go.
#pragma once

#include "api/registry.h"
#include "workflow/run.h"

namespace ingot::workflow {

inline constexpr std::string_view kWorkflowLabel = "workflows.argoproj.io/workflow";
inline constexpr std::string_view kCompletedLabel = "workflows.argoproj.io/completed";
inline constexpr std::string_view kPhaseLabel = "workflows.argoproj.io/phase";
inline constexpr std::string_view kRunUidAnnotation = "workflows.argoproj.io/workflow-uid";
inline constexpr std::string_view kNodeIdAnnotation = "workflows.argoproj.io/node-id";
inline constexpr std::string_view kNodeNameAnnotation = "workflows.argoproj.io/node-name";
inline constexpr std::string_view kOutputsAnnotation = "workflows.argoproj.io/outputs";
inline constexpr std::string_view kTemplateAnnotation = "workflows.argoproj.io/template";
inline constexpr std::string_view kScriptAnnotation = "workflows.argoproj.io/script";
inline constexpr std::string_view kGangLabel =
    "scheduling.x-k8s.io/pod-group";  // pods that go together or not at all

// The reason of a pod that could not be given its input artifacts.
inline constexpr std::string_view kNoArtifacts = "ArtifactsNotReady";

// "WORKFLOW-TEMPLATE-HASH".
std::string pod_name(std::string_view workflow, const Node&);

// Without uid and defaults; an error says which field is wrong.
Or<Json> make_pod(const Flow&, const Facts&, const Node&, const Wanted::Pod&, const api::Schema& pod_spec);

// What a pod says of its node.
PodReport report_of(const Json& pod);

}  // namespace ingot::workflow
