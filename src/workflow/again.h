// A run that failed, as it is to be written so that it goes on: what failed is begun again, what went well stays. Pure; any
// thread. Source: Argo Workflows 4.0, workflow/util/util.go (FormulateRetryWorkflow).
#pragma once

#include "base/time.h"
#include "workflow/flow.h"

namespace ingot::workflow {

struct Again {
  Json workflow;
  std::vector<std::string> nodes;  // ids of what is begun again, whose pods must go
};
// `workflow`: with its nodes, as clients see it. An error says why it cannot be.
Or<Again> begin_again(Json workflow, WallTime now);

}  // namespace ingot::workflow
