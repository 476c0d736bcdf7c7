// node::Runtime on containerd: what one node of this machine runs. Several nodes (simulated ones) share a containerd;
// each sees its own sandboxes only, by label.
// Thread rule: the loop's thread, as node::Runtime says.
#pragma once

#include <memory>
#include <string>

#include "host/artifacts.h"
#include "host/containerd.h"
#include "host/dataset_cache.h"
#include "host/network.h"
#include "node/runtime.h"

namespace ingot::host {

// What pods are given beside images. All references outlive the runtime.
struct PodStores {
  Artifacts& artifacts;
  DatasetCache& datasets;
};
std::unique_ptr<node::Runtime> make_cri_runtime(env::Env&, Containerd&, PodNetwork&, PodStores,
                                                std::string node_name);

}  // namespace ingot::host
