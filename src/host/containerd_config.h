// What containerd and its network plugin are told, as text. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "host/machine_names.h"

namespace ingot::host {

struct ContainerdSettings {
  MachinePaths paths;
  MachineNames names;
  std::string cni_bin_dir;      // "/usr/lib/cni"
  std::string pause_image;      // a reference containerd holds
  std::string snapshotter;      // "overlayfs", or "native" where overlays cannot be mounted
  bool restrict_oom_score_adj;  // without CAP_SYS_RESOURCE a sandbox's oom_score_adj of -998 is refused
};

// Version 2 configuration of containerd 1.6 and later. No registry is configured and nothing ever pulls.
std::string containerd_config(const ContainerdSettings&);

// A CNI configuration list: routed veth pairs with addresses from `range` ("10.64.16.0/20"), no masquerade.
std::string cni_config(const MachinePaths&, const MachineNames&, std::string_view range, int mtu);

}  // namespace ingot::host
