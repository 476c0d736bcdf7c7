// What the runtime is told to run for one container. Reads only what was fetched before. Thread rule: the loop.
#pragma once

#include <string>

#include "node/config.h"
#include "node/grant.h"
#include "node/node_config.h"
#include "node/pod.h"
#include "node/runtime.h"
#include "node/volumes.h"

namespace ingot::node {

NodeFacts facts_of(const NodeConfig&, const std::string& pod_ip);

// Which of the Allocation's devices a container gets, as places in it: what answers the claims that it names, then as
// many of the others as its resources ask for, dealt out in the order in which containers ask. A time share, of which
// a pod has one, is every container's that asks for it, or of all where an annotation of the pod asked.
std::vector<size_t> devices_of(const Pod&, const ContainerDef&, const Allocation&);

struct ContainerInputs {
  const NodeConfig& node;
  const Pod& pod;
  const ContainerDef& def;
  const Allocation& allocation;
  const std::vector<Grant>& grants;  // of its devices, in their order
  const PodConfig& config;
  const PodVolumes& volumes;
  Files& files;
  std::string image;  // digest
  std::string pod_ip;
  uint32_t attempt = 0;
};
// Errors are the container's: it waits with CreateContainerConfigError and this message.
Result<ContainerSpec> container_spec(const ContainerInputs&);

// /etc/hosts as the kubelet writes it: the loopback names, the pod's own, its hostAliases.
std::string hosts_file(const Pod&, const std::string& ip);

SandboxSpec sandbox_spec(const Pod&, const Allocation&, Files&, uint32_t attempt);

}  // namespace ingot::node
