// A container's environment and command line from what the pod says. Pure; any thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "node/config.h"
#include "node/pod.h"

namespace ingot::node {

// What the downward API may show of the node and the pod's address.
struct NodeFacts {
  std::string name, host_ip, pod_ip;
  std::string api_host;  // KUBERNETES_SERVICE_HOST; "" = no service variables
  int api_port = 6443;
  int64_t cpu_milli = 0, memory_bytes = 0,
          ephemeral_bytes = 0;  // allocatable: what an absent limit stands for
};

using Environment = std::vector<std::pair<std::string, std::string>>;  // each name once, in order

// Errors in the kubelet's words (`configmap "x" not found`, `couldn't find key k in Secret ns/x`): the container
// waits with CreateContainerConfigError.
Result<Environment> environment_of(const Pod&, const ContainerDef&, const PodConfig&, const NodeFacts&);

// "$(NAME)" from `env`, "$$" is "$"; what is not there stays as written.
std::string expand(std::string_view text, const Environment& env);

// Downward API: "metadata.name", "metadata.labels['app']", "status.podIP"…; 400 for an unknown path.
Result<std::string> field_value(const Pod&, std::string_view path, const NodeFacts&);
// "limits.cpu" of a container in units of `divisor` ("" = 1), rounded up.
Result<std::string> resource_value(const ContainerDef&, std::string_view resource, std::string_view divisor,
                                   const NodeFacts&);

}  // namespace ingot::node
