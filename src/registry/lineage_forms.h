// An answer of Lineage in other forms: a graph to look at, and events as other catalogues of lineage take them. Pure; any
// thread.
//
// Facts: openlineage.io/spec/2-0-2 (RunEvent; facets DatasetVersionDatasetFacet 1-0-0, SourceCodeLocationJobFacet 1-0-1,
// JobTypeJobFacet 2-0-4, ErrorMessageRunFacet 1-0-0).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"

namespace ingot::registry {

// Complete in itself, no scripts, no links; columns from what was used to what was made. All texts are escaped.
std::string lineage_svg(const api::Json& answer);

// Of each run START, and COMPLETE, FAIL or ABORT when it has ended, in the order of their times: one JSON text each. `tenant`:
// whose, for the names of jobs and data.
std::vector<std::string> open_lineage(const api::Json& answer, std::string_view tenant);

// Two lines that say what a node is: "digits v4", "signed, accuracy 0.978".
struct NodeLabel {
  std::string name, about;
};
NodeLabel label_of(const api::Json& node);

}  // namespace ingot::registry
