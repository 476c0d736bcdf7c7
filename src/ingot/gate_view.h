// Gates, their exceptions and scans as commands see them: read from the running factory, and asked here. Main thread.
#pragma once

#include <string>

#include "ingot/client.h"
#include "ingot/place.h"
#include "policy/gates.h"

namespace ingot {

struct GateView {
  api::JsonArray gates, exceptions, scans, images, tenants;
  policy::GateSet set;
  policy::Images known;
};
Result<GateView> read_gates(Client&);

// What the gates would say of a Pod, Job, Workflow or WorkflowTemplate that is not there yet.
Result<policy::Facts> facts_of_file(Client&, const GateView&, const Place&, const api::Json& object);

}  // namespace ingot
