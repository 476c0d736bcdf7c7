// What the containers of a workflow's pods are told, so that MLflow's client in them logs to their own cluster without any
// doing of theirs: where, as whom, and into which experiment. What the pod says itself comes first. Pure; any thread.
#pragma once

#include <optional>

#include "node/environment.h"

namespace ingot::node {

// The token such a pod gets for it, bound to the pod and as long as one may be; nullopt: it is of no workflow, or has no
// token of its ServiceAccount at all.
std::optional<TokenRef> tracking_token(const Pod&);

// "" where the container sees no token of its ServiceAccount.
Environment tracking_variables(const Pod&, const ContainerDef&, const PodConfig&, const NodeFacts&);

// Takes out of a whole environment what does not go with what the pod says: who logs elsewhere shows our token to nobody,
// and an experiment named by its id has no other name. `ours`: tracking_variables().
void settle_tracking(Environment&, const Environment& ours);

}  // namespace ingot::node
