#include "ingot/nodes.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "gpu/description.h"
#include "host/api_client.h"
#include "node/agent.h"
#include "node/hollow.h"

namespace ingot {
namespace {

constexpr int64_t kHollowCpuMilli = 64'000;
constexpr int64_t kHollowMemory = int64_t(512) << 30;

gpu::Inventory inventory_of(const gpu::Description& description, const gpu::SimulatedNode& node) {
  gpu::Inventory inventory{
      .simulated = true, .driver_version = description.driver, .cuda_version = description.cuda};
  for (size_t i = 0; i < node.boards.size(); ++i) {
    const gpu::SimulatedBoard& board = node.boards[i];
    inventory.boards.push_back({.uuid = board.uuid,
                                .index = int(i),
                                .minor = board.minor,
                                .product = std::string(board.model->product),
                                .model = std::string(board.model->name),
                                .memory_mib = board.model->memory_mib,
                                .pci_bus_id = board.pci_bus_id,
                                .numa_node = board.numa_node,
                                .compute_major = board.model->compute_major,
                                .compute_minor = board.model->compute_minor,
                                .mig_capable = board.model->mig,
                                .mig_enabled = board.mig_enabled,
                                .nvlink_peers = board.links});
  }
  return inventory;
}

}  // namespace

Result<std::vector<node::NodeConfig>> hollow_nodes(const std::string& shorthand,
                                                   const std::string& factory_id) {
  std::vector<node::NodeConfig> nodes;
  if (shorthand.empty()) return nodes;
  const auto description = gpu::describe_shorthand(shorthand, factory_id + "-hollow");
  if (!description)
    return fail(Reason::Invalid, fmt::format("--hollow \"{}\": {}", shorthand, description.error()));
  for (size_t i = 0; i < description->nodes.size(); ++i) {
    node::NodeConfig config;
    config.name = fmt::format("hollow-{}", i);
    config.host_ip = "127.0.0.1";
    config.cpu_milli = kHollowCpuMilli;
    config.memory_bytes = kHollowMemory;
    config.ephemeral_bytes = kHollowMemory;
    config.gpus = inventory_of(*description, description->nodes[i]);
    config.labels["ingot.dev/hollow"] = "true";
    config.runtime_version = "hollow://1";
    config.hollow = true;
    nodes.push_back(std::move(config));
  }
  return nodes;
}

struct Nodes::One {
  One(env::Env& env, apiserver::Server& server, node::NodeConfig config, std::unique_ptr<node::Runtime> r,
      std::unique_ptr<node::Files> f, std::unique_ptr<node::DeviceControl> d)
      : name(config.name),
        boards(config.gpus.boards),
        transport(env.loop, server, host::node_identity(config.name)),
        api(env, transport),
        runtime(std::move(r)),
        files(std::move(f)),
        devices(std::move(d)),
        agent(std::move(config), env, api, *runtime, *files, devices.get()) {}
  const std::string name;
  const std::vector<gpu::Board> boards;
  host::InProcessTransport transport;
  node::ListWatchApi api;
  std::unique_ptr<node::Runtime> runtime;
  std::unique_ptr<node::Files> files;
  std::unique_ptr<node::DeviceControl> devices;
  node::Agent agent;
};

Nodes::Nodes(env::Env& env, apiserver::Server& server, gpu::Telemetry& telemetry)
    : env_(env), server_(server), telemetry_(telemetry) {}
Nodes::~Nodes() {
  for (const auto& node : nodes_) telemetry_.forget(node->name);
}

// Hollow boards are as busy as the scripts of the pods that hold them say.
void Nodes::add_hollow(node::NodeConfig config, node::ArtifactStore& artifacts) {
  auto runtime = std::make_unique<node::HollowRuntime>(env_, &artifacts);
  const node::HollowRuntime& scripts = *runtime;
  One& node = add_node(std::move(config), std::move(runtime), std::make_unique<node::HollowFiles>(), nullptr);
  telemetry_.set_source(node.name, [&node, &scripts] {
    std::map<std::string, int, std::less<>> busy;
    for (const auto& [gpu, pod] : node.agent.held_gpus()) busy[gpu] += scripts.gpu_utilisation(pod);
    std::vector<gpu::Sample> samples;
    for (const gpu::Board& board : node.boards) {
      const auto used = busy.find(board.uuid);
      samples.push_back({.uuid = board.uuid,
                         .utilisation = used == busy.end() ? 0 : std::min(used->second, 100),
                         .memory_used_mib = 0,
                         .memory_free_mib = board.memory_mib});
    }
    return samples;
  });
}

void Nodes::add(node::NodeConfig config, std::unique_ptr<node::Runtime> runtime,
                std::unique_ptr<node::Files> files, std::unique_ptr<node::DeviceControl> devices) {
  add_node(std::move(config), std::move(runtime), std::move(files), std::move(devices));
}

Nodes::One& Nodes::add_node(node::NodeConfig config, std::unique_ptr<node::Runtime> runtime,
                            std::unique_ptr<node::Files> files,
                            std::unique_ptr<node::DeviceControl> devices) {
  gpus_ += config.gpus.boards.size();
  simulated_ = simulated_ || config.gpus.simulated;
  return *nodes_.emplace_back(std::make_unique<One>(env_, server_, std::move(config), std::move(runtime),
                                                    std::move(files), std::move(devices)));
}

std::set<std::string> Nodes::heard(const std::string& name, Result<std::vector<gpu::Sample>> samples) {
  std::set<std::string> held;
  const auto found = std::ranges::find(nodes_, name, [](const auto& node) { return node->name; });
  if (found == nodes_.end()) return held;
  node::Agent& agent = (*found)->agent;
  if (samples) {
    agent.take_samples(*samples);
    telemetry_.put(name, std::move(*samples), env_.clock.now());
  } else {
    telemetry_.silent(name, samples.error().message);
  }
  for (auto& [gpu, pod] : agent.held_gpus()) held.insert(std::move(gpu));
  return held;
}

void Nodes::start() {
  for (const auto& node : nodes_) node->agent.start();
}

void Nodes::drain(std::function<void()> done) {
  auto left = std::make_shared<size_t>(nodes_.size());
  if (nodes_.empty()) return env_.loop.post(std::move(done));
  for (const auto& node : nodes_)
    node->agent.drain([left, done] {
      if (--*left == 0) done();
    });
}

std::string Nodes::describe() const {
  if (nodes_.empty()) return "no nodes";
  return fmt::format("{} {}, {} {}{}", nodes_.size(), nodes_.size() == 1 ? "node" : "nodes", gpus_,
                     gpus_ == 1 ? "GPU" : "GPUs", simulated_ ? " (simulated)" : "");
}

}  // namespace ingot
