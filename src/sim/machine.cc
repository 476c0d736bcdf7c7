#include "sim/machine.h"

#include <utility>

#include "gpu/description.h"

namespace ingot::sim {
namespace {

constexpr Duration kLook = std::chrono::seconds(5);

gpu::Inventory inventory_of(const gpu::SimulatedNode& node) {
  gpu::Inventory inventory{
      .simulated = true, .driver_version = "570.86.15", .cuda_version = "12.8", .boards = {}};
  for (const gpu::SimulatedBoard& board : node.boards) {
    gpu::Board made;
    made.uuid = board.uuid;
    made.index = made.minor = board.minor;
    made.product = board.model->product;
    made.model = board.model->name;
    made.memory_mib = board.model->memory_mib;
    made.pci_bus_id = board.pci_bus_id;
    made.nvlink_peers = board.links;
    inventory.boards.push_back(std::move(made));
  }
  return inventory;
}

node::NodeConfig config_of(const std::string& name, int gpus) {
  node::NodeConfig config;
  config.name = name;
  config.host_ip = "10.0.0.1";
  config.api_host = "10.0.0.1";
  config.ca_pem = "simulated CA";
  config.cpu_milli = 16'000;
  config.memory_bytes = int64_t(64) << 30;
  config.ephemeral_bytes = int64_t(100) << 30;
  const auto described = gpu::describe_shorthand("1x" + std::to_string(gpus) + "xH100-80GB", name);
  config.gpus = inventory_of(described->nodes.front());
  config.gpu_description = gpu::to_text(*described, described->nodes.front());
  config.gpu_health = {.clean = std::chrono::seconds(30), .longest = std::chrono::minutes(2)};
  config.devices = node::cdi::spec_of(config.gpus, node::cdi::Libraries{});
  return config;
}

}  // namespace

Machine::AgentProcess::AgentProcess(World& world, Disk& disk, FaultPlan& faults, Network& network,
                                    const node::NodeConfig& config, node::Runtime& runtime,
                                    node::Files& files)
    : ports(world, disk, faults, config.name),
      transport(network, ports.process(), config.name),
      api(ports.env(), transport),
      agent(config, ports.env(), api, runtime, files) {}

Machine::Machine(World& world, Disk& disk, FaultPlan& faults, Network& network, Truth& truth,
                 std::string name, int gpus)
    : world_(world),
      disk_(disk),
      faults_(faults),
      network_(network),
      truth_(truth),
      config_(config_of(name, gpus)),
      lost_(config_.gpus.boards.size()),
      xids_(config_.gpus.boards.size()) {
  power_cycle();
}

Machine::~Machine() {
  crash_agent();
  if (hardware_) hardware_->kill();
}

void Machine::start_agent() {
  if (agent_) return;
  agent_ = std::make_unique<AgentProcess>(world_, disk_, faults_, network_, config_, *runtime_, files_);
  agent_->agent.start();
}

void Machine::crash_agent() { agent_.reset(); }

void Machine::power_cycle() {
  crash_agent();
  if (hardware_) hardware_->kill();
  runtime_.reset();
  hardware_ = std::make_unique<Ports>(world_, disk_, faults_, config_.name + "/hw");
  runtime_ = std::make_unique<WatchedRuntime>(std::make_unique<node::HollowRuntime>(hardware_->env()), truth_,
                                              world_, hardware_->process());
  start_agent();
  look_at_boards();
}

void Machine::look_at_boards() {
  if (agent_) {
    std::vector<gpu::Sample> samples;
    for (size_t i = 0; i < config_.gpus.boards.size(); ++i) {
      gpu::Sample s{.uuid = config_.gpus.boards[i].uuid};
      if (lost_[i]) s.lost = "GPU is lost";
      if (const uint64_t xid = std::exchange(xids_[i], 0)) s.xids.push_back(xid);
      samples.push_back(std::move(s));
    }
    agent_->agent.take_samples(samples);
  }
  world_.at(world_.now() + kLook, hardware_->process(), [this] { look_at_boards(); });
}

}  // namespace ingot::sim
