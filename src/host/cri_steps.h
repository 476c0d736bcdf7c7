// Artifacts of steps on containerd: where their pods' network is. Thread rule: the loop.
#pragma once

#include "host/artifacts.h"
#include "host/containerd_rpc.h"
#include "host/machine_names.h"

namespace ingot::host {

// What comes from elsewhere comes through the sandbox's own network, which the CRI names when it is asked for everything.
void bring_to(ContainerdRpc&, const MachinePaths&, Artifacts&, const node::Bring&,
              node::Callback<node::Brought>);

}  // namespace ingot::host
