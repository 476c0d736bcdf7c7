// Container Device Interface (github.com/cncf-tags/container-device-interface SPEC.md 0.6): what must be added to a
// container so that it can use a device. containerd 1.6 knows no CDI, so the agent applies the edits itself; a spec's
// hooks are read by nobody and never run. Pure; any thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "api/json.h"
#include "gpu/inventory.h"
#include "node/grant.h"
#include "node/runtime.h"

namespace ingot::node::cdi {

struct Edits {
  std::vector<std::pair<std::string, std::string>> env;
  std::vector<Mount> mounts;
  std::vector<DeviceNode> devices;
};
struct Device {
  std::string name;  // the UUID
  Edits edits;
};
struct Spec {
  std::string kind = "nvidia.com/gpu";
  std::vector<Device> devices;
  Edits common;  // for every container that gets one of them
};

// Where the machine's driver, or its stand-in, lies on the host.
struct Libraries {
  std::vector<Mount> mounts;              // libnvidia-ml.so.1, nvidia-smi…: host path → container path
  std::vector<DeviceNode> control_nodes;  // /dev/nvidiactl, /dev/nvidia-uvm…; none for simulated GPUs
};
// One device per board, named by its UUID. Simulated boards have no device nodes.
Spec spec_of(const gpu::Inventory&, const Libraries&);

api::JsonObject to_json(const Spec&);
// Reads a spec file; what could run something on the host (hooks) is dropped. Errors name the field.
Result<Spec> parse(const api::Json&);

// Adds what the granted devices need to a container. NVIDIA_VISIBLE_DEVICES and the like say exactly what was
// granted, whatever the image or the tenant set. Of a MIG instance the container also gets the capabilities' device
// nodes. A time share is told its part of the memory in the variables of CUDA's MPS: a courtesy for programs that heed
// it, not a boundary. 404 when a board is no device of the spec.
Result<void> apply(const Spec&, const std::vector<Grant>&, ContainerSpec&);
// For a container without a GPU: an image's own NVIDIA_VISIBLE_DEVICES must not open anything.
void deny(ContainerSpec&);

// Where the stand-in NVML library finds the boards it may show (host/nvml/standin.cc), and the variable that says so.
inline constexpr std::string_view kDescriptionPath = "/etc/ingot/gpus";
inline constexpr std::string_view kDescriptionVariable = "INGOT_GPU_DESCRIPTION";

}  // namespace ingot::node::cdi
