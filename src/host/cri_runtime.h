// node::Runtime on containerd: what one node of this machine runs. Several nodes (simulated ones) share a containerd;
// each sees its own sandboxes only, by label.
// Thread rule: the loop's thread, as node::Runtime says.
#pragma once

#include <memory>
#include <string>

#include "host/containerd.h"
#include "host/network.h"
#include "node/runtime.h"

namespace ingot::host {

// All references outlive the runtime.
std::unique_ptr<node::Runtime> make_cri_runtime(env::Env&, Containerd&, PodNetwork&, std::string node_name);

}  // namespace ingot::host
