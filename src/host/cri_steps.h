// What is done to a pod of containerd's that needs no more than its id: artifacts brought, commands run in it. Thread rule:
// the loop.
#pragma once

#include "host/artifacts.h"
#include "host/containerd_rpc.h"
#include "host/machine_names.h"

namespace ingot::host {

// What comes from elsewhere comes through the sandbox's own network, which the CRI names when it is asked for everything.
void bring_to(ContainerdRpc&, const MachinePaths&, Artifacts&, const node::Bring&,
              node::Callback<node::Brought>);

// Asked from within the sandbox's network as well.
void ask_from(ContainerdRpc&, const MachinePaths&, Artifacts&, const node::HttpAsk&,
              node::Callback<node::HttpAnswer>);

// The exit code of `argv`, run in the container.
void exec_in(ContainerdRpc&, const std::string& container, const std::vector<std::string>& argv,
             Duration timeout, node::Callback<int>);

}  // namespace ingot::host
