// What made a version of a model, as SLSA provenance v1 says it. Pure; any thread.
//
// Facts: slsa.dev/provenance/v1 (buildDefinition, runDetails). What the factory saw itself is in resolvedDependencies and
// internalParameters; what the run only said of itself (parameters, data sets that it names) in externalParameters.
#pragma once

#include <string>

#include "api/json.h"
#include "base/digest.h"
#include "data/manifest.h"

namespace ingot::registry {

inline constexpr std::string_view kRunBuild = "https://ingot.dev/builds/run/v1";

// What was looked up of a run when its version was registered; members that nobody knew are missing.
struct Made {
  api::Json pod, workflow, node, allocation;  // objects, or null
  api::JsonArray held;                        // of a released Allocation, its rows of the ledger
  std::vector<std::pair<std::string, Digest>>
      datasets;  // "digits-v3" and its manifest, of what the pod had mounted
};

std::string to_provenance(const api::Json& version, const Made&, const data::Manifest&,
                          const Digest& manifest, const std::string& factory);

}  // namespace ingot::registry
