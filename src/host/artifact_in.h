// An input artifact brought to where its container will find it: DIRECTORY/I/data, a file or a directory. Any thread; blocks.
#pragma once

#include "env/blobs.h"
#include "host/machine_names.h"
#include "node/runtime.h"

namespace ingot::host {

// Where what comes from elsewhere is asked for: in a pod's own network, as its containers would.
struct PodPlace {
  std::string network;             // its namespace, as a file; "": nothing comes from elsewhere
  std::string resolv_conf, hosts;  // the texts of these files in it
};
// Of a sandbox, as containerd's CRI tells of it (its verbose "info", JSON).
Result<PodPlace> pod_place(const MachinePaths&, const node::Bring&, std::string_view info);
// Whether any of it does.
bool comes_from_elsewhere(const node::Bring&);

// Whether it is there; false: it is optional, and is not. An error says which artifact, and what is wrong. What is there from
// before is not brought again.
Result<bool> bring_artifact(env::Blobs&, const node::Bring&, size_t index, const PodPlace&);

}  // namespace ingot::host
