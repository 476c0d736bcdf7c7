// What the factory puts on this machine to run containers: network, firewall, containerd. One for all its nodes.
// Thread rule: the loop, but clean_up(), which blocks and belongs to the main thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "env/env.h"
#include "host/artifacts.h"
#include "host/containerd.h"
#include "host/dataset_cache.h"
#include "host/network.h"
#include "ingot/firewall.h"
#include "ingot/simulated_boards.h"
#include "node/device_control.h"
#include "node/node_config.h"

namespace ingot {

class Machine {
 public:
  // Makes or adopts the pods' network.
  static Result<std::unique_ptr<Machine>> open(env::Env&, const std::string& data,
                                               const std::string& factory_id, host::Artifacts&,
                                               host::DatasetCache&);

  std::string api_address() const { return network_.api_address(); }  // where pods find the API server
  // Rules that let nothing through yet, then containerd; `ready` once it answers.
  Result<void> start(uint16_t api_port, std::move_only_function<void(Result<void>)> ready);

  Result<std::unique_ptr<node::Files>> files(const std::string& node) const;
  std::unique_ptr<node::Runtime> runtime(const std::string& node);
  // nullptr for a node without GPUs.
  Result<std::unique_ptr<node::DeviceControl>> devices(const node::NodeConfig&) const;
  void stop();  // containerd

  const host::MachinePaths& paths() const { return paths_; }
  const host::MachineNames& names() const { return names_; }

 private:
  Machine(env::Env& env, host::MachinePaths paths, host::MachineNames names, host::ContainerPrograms programs,
          host::PodNetwork network, host::Artifacts& artifacts, host::DatasetCache& datasets)
      : env_(env),
        artifacts_(artifacts),
        datasets_(datasets),
        paths_(std::move(paths)),
        names_(std::move(names)),
        programs_(std::move(programs)),
        network_(std::move(network)) {}

  env::Env& env_;
  host::Artifacts& artifacts_;
  host::DatasetCache& datasets_;
  const host::MachinePaths paths_;
  const host::MachineNames names_;
  const host::ContainerPrograms programs_;
  host::PodNetwork network_;
  std::unique_ptr<Firewall> firewall_;
  std::unique_ptr<host::Containerd> containerd_;
};

struct MachineNode {
  node::NodeConfig config;
  std::string library;                      // that speaks NVML for its GPUs
  std::shared_ptr<SimulatedBoards> boards;  // null: they are real
};
// The nodes that `--gpus` describes: "auto", "simulated:2x8xH100-80GB", "simulated:FILE". Their GPUs are read through
// NVML, or the project's stand-in for it, which lies beside the program. Blocks; main thread.
Result<std::vector<MachineNode>> machine_nodes(env::Log&, const std::string& gpus,
                                               const std::string& factory_id);

}  // namespace ingot
