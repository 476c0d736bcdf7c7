// What a Workflow says of its run. Pure; any thread. Source: Argo Workflows, WorkflowStatus.
#pragma once

#include "workflow/run.h"

namespace ingot::pipelines {

// Returns whether anything is another now.
bool set_status(api::Json& object, workflow::Run&, WallTime now);
// That it is over, without a run.
void set_over(api::Json& object, workflow::Phase, std::string_view message, WallTime now);
// When its ttlStrategy lets it go; none: never.
std::optional<WallTime> expiry(const api::Json& object);

}  // namespace ingot::pipelines
