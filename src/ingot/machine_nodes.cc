// From `--gpus` to nodes.
#include <fmt/format.h>
#include <limits.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <filesystem>

#include "gpu/description.h"
#include "host/disk_file.h"
#include "host/driver_files.h"
#include "host/gpu_control.h"
#include "host/inventory.h"
#include "ingot/machine.h"

namespace ingot {
namespace {

constexpr std::string_view kSimulated = "simulated:";
constexpr std::string_view kDriver = "libnvidia-ml.so.1", kCuda = "libcuda.so.1";
constexpr const char* kInContainer = "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1";

std::string standin_path() {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path() / "libingot-nvml.so";
}

// What every node of this machine has; `share` of the machine's CPU and memory.
node::NodeConfig base_config(std::string name, int64_t share) {
  node::NodeConfig config;
  config.name = std::move(name);
  struct sysinfo memory{};
  ::sysinfo(&memory);
  config.cpu_milli = ::sysconf(_SC_NPROCESSORS_ONLN) * 1000 / share;
  config.memory_bytes = int64_t(memory.totalram) * memory.mem_unit / share;
  config.ephemeral_bytes = int64_t(std::filesystem::space("/").available) / share;
  utsname system{};
  ::uname(&system);
  config.kernel_version = system.release;
  config.os_image = "Debian GNU/Linux 12";
  return config;
}

struct Simulated {
  gpu::Description description;
  std::string file;  // "": a shorthand
};

Result<Simulated> describe(const std::string& text, const std::string& factory_id) {
  Simulated simulated;
  auto description = gpu::describe_shorthand(text, factory_id);
  if (!description && std::filesystem::exists(text)) {
    const auto file = host::read_file(text, 64 * 1024);
    if (!file) return fail(file.error());
    description = gpu::parse_description(*file, factory_id);
    simulated.file = std::filesystem::absolute(text);
  }
  if (!description)
    return fail(Reason::Invalid, fmt::format("--gpus simulated:{}: {}", text, description.error()));
  simulated.description = std::move(*description);
  return simulated;
}

Result<MachineNode> simulated_node(env::Log& log, const Simulated& simulated, const gpu::SimulatedNode& node,
                                   const std::string& factory_id) {
  MachineNode made{.config = base_config(node.name, int64_t(simulated.description.nodes.size())),
                   .library = standin_path(),
                   .boards = std::make_shared<SimulatedBoards>(log, simulated.file, factory_id,
                                                               simulated.description, node.name)};
  node::NodeConfig& config = made.config;
  if (node.cpu > 0) config.cpu_milli = int64_t(node.cpu) * 1000;
  if (node.memory_mib > 0) config.memory_bytes = node.memory_mib << 20;
  config.gpu_description = gpu::to_text(simulated.description, node);
  auto inventory = host::read_inventory(made.library, config.gpu_description);
  if (!inventory) return fail(inventory.error());
  config.gpus = std::move(*inventory);
  config.gpus.simulated = true;
  config.devices = node::cdi::spec_of(
      config.gpus,
      {.mounts = {{.host_path = made.library, .container_path = kInContainer, .read_only = true}}});
  return made;
}

}  // namespace

Result<std::unique_ptr<node::DeviceControl>> Machine::devices(const node::NodeConfig& config) const {
  if (config.gpus.boards.empty()) return std::unique_ptr<node::DeviceControl>();
  const bool simulated = config.gpus.simulated;
  return host::make_gpu_control(env_.loop, {.nvml = simulated ? standin_path() : std::string(kDriver),
                                            .cuda = simulated ? standin_path() : std::string(kCuda),
                                            .description = config.gpu_description,
                                            .directory = paths_.data + "/nodes/" + config.name});
}

Result<std::vector<MachineNode>> machine_nodes(env::Log& log, const std::string& gpus,
                                               const std::string& factory_id) {
  std::vector<MachineNode> nodes;
  if (gpus.starts_with(kSimulated)) {
    const auto simulated = describe(gpus.substr(kSimulated.size()), factory_id);
    if (!simulated) return fail(simulated.error());
    for (const gpu::SimulatedNode& node : simulated->description.nodes) {
      auto made = simulated_node(log, *simulated, node, factory_id);
      if (!made) return fail(made.error());
      nodes.push_back(std::move(*made));
    }
    return nodes;
  }
  if (gpus != "auto")
    return fail(
        Reason::Invalid,
        fmt::format("--gpus \"{}\": use auto, none, simulated:NODESxGPUSxMODEL or simulated:FILE", gpus));
  char host[HOST_NAME_MAX + 1] = "node-0";
  ::gethostname(host, sizeof host - 1);
  MachineNode node{.config = base_config(host, 1), .library = std::string(kDriver)};
  // No driver is no fault: a machine without GPUs is a node too.
  if (auto inventory = host::read_inventory(node.library, "")) node.config.gpus = std::move(*inventory);
  node.config.devices = node::cdi::spec_of(node.config.gpus, host::driver_files());
  nodes.push_back(std::move(node));
  return nodes;
}

}  // namespace ingot
