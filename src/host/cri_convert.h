// From the agent's words to the CRI's and back. Everything the sandbox promises a tenant is decided here. Pure; any
// thread.
#pragma once

#include <string>

#include "base/error.h"
#include "cri.pb.h"
#include "host/machine_names.h"
#include "node/runtime.h"

namespace ingot::host {

inline constexpr const char* kNodeLabel = "ingot.dev/node";
inline constexpr const char* kClusterLabel = "ingot.dev/cluster";
inline constexpr const char* kUidLabel = "io.kubernetes.pod.uid";

// Invalid when an id would not be one path segment.
Result<runtime::v1::PodSandboxConfig> sandbox_config(const MachineNames&, const std::string& node,
                                                     const node::SandboxSpec&);
runtime::v1::ContainerConfig container_config(const std::string& node, const node::SandboxSpec&,
                                              const node::ContainerSpec&);

node::SandboxStatus sandbox_status(const runtime::v1::PodSandbox&);
node::ContainerStatus container_status(const runtime::v1::ContainerStatus&);

// "/ingot-3f2a/t1/UID"; what remains of a pod's cgroups lies there.
std::string pod_cgroup(const MachineNames&, const std::string& cluster, const std::string& pod_uid);

// /etc/hosts of a pod, as the kubelet writes it.
std::string hosts_file(const std::string& ip, const std::string& hostname);

}  // namespace ingot::host
