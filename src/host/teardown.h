// Leaving nothing on the machine: what `ingot down` does once the pods were asked to stop, and what cleans up after a
// daemon that is gone. Needs no running containerd. Any thread; blocks for some seconds at most.
#pragma once

#include <string>
#include <vector>

#include "host/machine_names.h"

namespace ingot::host {

// Everything of this factory that the machine shows: processes, mounts, network namespaces, interfaces, cgroups, the
// nftables table; a line each. Empty after a teardown.
std::vector<std::string> machine_leftovers(const MachinePaths&, const MachineNames&);

// Ends containerd, its shims and every container, and removes mounts, network namespaces, interfaces, cgroups and the
// nftables table. The data beneath DATA stays: images, and logs and volumes of pods.
// Returns what could not be removed; running it again is always fine.
std::vector<std::string> teardown(const MachinePaths&, const MachineNames&);

}  // namespace ingot::host
