// What workflows say of artifacts: where they come from, where they go. Pure; any thread.
//
// The location of what a step left is `s3: {key: "sha256/DIGITS"}` without a bucket: the tenant's own store, by digest.
// Source: Argo Workflows 4.0, pkg/apis/workflow/v1alpha1 (Artifact, ArtifactLocation), workflow/util ProcessArgs.
#pragma once

#include "base/digest.h"
#include "workflow/flow.h"

namespace ingot::workflow {

inline constexpr std::string_view kOwnKey = "sha256/";  // before the digits

// What a template asks for that is not there, or makes no sense: an error names the field.
Or<void> check_artifacts(const Json& body, Kind, std::string_view where);
// The same for `arguments` of `holder`.
Or<void> check_artifact_arguments(const Json& holder, std::string_view where);

// Whether it says itself where it comes from.
bool has_location(const Json& artifact);
// `declared` by a template's inputs, `given` by who runs it.
Json given_artifact(const Json& declared, const Json& given);

// An argument that says where it comes from: `from`, filled in, is the JSON of another artifact; "": it says so itself.
Or<Json> located(const Json& argument, std::string_view from);

// The secrets that its location names, each once.
void secrets_of(const Json& artifact, std::vector<std::string>& names);

}  // namespace ingot::workflow
