// From `--gpus` to nodes.
#include <fmt/format.h>
#include <limits.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <filesystem>

#include "gpu/description.h"
#include "host/disk_file.h"
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

Result<gpu::Description> describe(const std::string& text, const std::string& factory_id) {
  auto description = gpu::describe_shorthand(text, factory_id);
  if (!description && std::filesystem::exists(text)) {
    const auto file = host::read_file(text, 64 * 1024);
    if (!file) return fail(file.error());
    description = gpu::parse_description(*file, factory_id);
  }
  if (!description)
    return fail(Reason::Invalid, fmt::format("--gpus simulated:{}: {}", text, description.error()));
  return std::move(*description);
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

Result<node::NodeConfig> simulated_node(const gpu::Description& description, const gpu::SimulatedNode& node,
                                        int64_t share) {
  node::NodeConfig config = base_config(node.name, share);
  if (node.cpu > 0) config.cpu_milli = int64_t(node.cpu) * 1000;
  if (node.memory_mib > 0) config.memory_bytes = node.memory_mib << 20;
  const std::string library = standin_path();
  config.gpu_description = gpu::to_text(description, node);
  auto inventory = host::read_inventory(library, config.gpu_description);
  if (!inventory) return fail(inventory.error());
  config.gpus = std::move(*inventory);
  config.gpus.simulated = true;
  config.devices = node::cdi::spec_of(
      config.gpus, {.mounts = {{.host_path = library, .container_path = kInContainer, .read_only = true}}});
  return config;
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

Result<std::vector<node::NodeConfig>> machine_nodes(const std::string& gpus, const std::string& factory_id) {
  std::vector<node::NodeConfig> nodes;
  if (gpus.starts_with(kSimulated)) {
    auto description = describe(gpus.substr(kSimulated.size()), factory_id);
    if (!description) return fail(description.error());
    for (const gpu::SimulatedNode& node : description->nodes) {
      auto config = simulated_node(*description, node, int64_t(description->nodes.size()));
      if (!config) return fail(config.error());
      nodes.push_back(std::move(*config));
    }
    return nodes;
  }
  if (gpus != "auto")
    return fail(
        Reason::Invalid,
        fmt::format("--gpus \"{}\": use auto, none, simulated:NODESxGPUSxMODEL or simulated:FILE", gpus));
  char host[HOST_NAME_MAX + 1] = "node-0";
  ::gethostname(host, sizeof host - 1);
  node::NodeConfig config = base_config(host, 1);
  // No driver is no fault: a machine without GPUs is a node too.
  if (auto inventory = host::read_inventory(std::string(kDriver), "")) config.gpus = std::move(*inventory);
  nodes.push_back(std::move(config));
  return nodes;
}

}  // namespace ingot
