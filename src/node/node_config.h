// What one node is told about itself when it starts. Plain values; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/time.h"
#include "gpu/health.h"
#include "gpu/inventory.h"
#include "node/cdi.h"

namespace ingot::node {

struct NodeConfig {
  std::string name;      // "node-0"; also kubernetes.io/hostname
  std::string host_ip;   // status.hostIP and the Node's InternalIP
  std::string api_host;  // where pods reach their control plane; "" = they are told nothing
  int api_port = 6443;
  std::string ca_pem;  // the factory's CA: kube-root-ca.crt of every namespace
  int64_t cpu_milli = 0, memory_bytes = 0, ephemeral_bytes = 0;  // capacity = allocatable
  int64_t max_pods = 110;
  gpu::Inventory gpus;
  gpu::HealthPolicy gpu_health;
  std::string
      gpu_description;     // simulated boards: gpu::to_text of this node, for the stand-in inside containers
  api::JsonObject scrubs;  // the last of each device; see DeviceBook::last_scrubs
  cdi::Spec devices;       // how a granted GPU gets into a container; see cdi::spec_of
  std::map<std::string, std::string> labels;  // added to the node's own
  std::string version = "v1.36.0";            // nodeInfo.kubeletVersion
  std::string runtime_version = "containerd://unknown", kernel_version, os_image, machine_id, boot_id;
  // Pods run no process: images, volumes and environment are not looked at.
  bool hollow = false;
};

}  // namespace ingot::node
