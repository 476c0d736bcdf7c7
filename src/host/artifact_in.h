// An input artifact brought to where its container will find it: DIRECTORY/I/data, a file or a directory. Any thread; blocks.
#pragma once

#include "env/blobs.h"
#include "host/pod_place.h"
#include "node/runtime.h"

namespace ingot::host {

// Whether any of it comes from elsewhere: that is asked for in the pod's own network, as its containers would.
bool comes_from_elsewhere(const node::Bring&);

// Whether it is there; false: it is optional, and is not. An error says which artifact, and what is wrong. What is there from
// before is not brought again.
Result<bool> bring_artifact(env::Blobs&, const node::Bring&, size_t index, const PodPlace&);

}  // namespace ingot::host
