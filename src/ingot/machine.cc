#include "ingot/machine.h"

#include "host/cri_runtime.h"
#include "host/pod_files.h"

namespace ingot {
namespace {
constexpr Duration kContainerdEnd = std::chrono::seconds(10);
}

Result<std::unique_ptr<Machine>> Machine::open(env::Env& env, const std::string& data,
                                               const std::string& factory_id, host::Artifacts& artifacts,
                                               host::DatasetCache& datasets) {
  auto programs = host::find_container_programs();
  if (!programs) return fail(programs.error());
  host::MachinePaths paths{data};
  host::MachineNames names{factory_id};
  auto network = host::PodNetwork::open(paths, names);
  if (!network) return fail(network.error());
  return std::unique_ptr<Machine>(new Machine(env, std::move(paths), std::move(names), std::move(*programs),
                                              std::move(*network), artifacts, datasets));
}

Result<void> Machine::start(uint16_t api_port, std::move_only_function<void(Result<void>)> ready) {
  firewall_ =
      std::make_unique<Firewall>(env_.log, node::FirewallState{.table = names_.nft_table(),
                                                               .pod_range = to_string(network_.range()),
                                                               .interface_group = names_.interface_group(),
                                                               .api_ip = network_.api_address(),
                                                               .api_port = api_port});
  if (auto applied = firewall_->apply(); !applied) return applied;
  auto containerd = host::Containerd::open(env_, {.paths = paths_,
                                                  .names = names_,
                                                  .programs = programs_,
                                                  .pod_range = to_string(network_.range()),
                                                  .mtu = network_.mtu()});
  if (!containerd) return fail(containerd.error());
  containerd_ = std::move(*containerd);
  containerd_->when_ready(std::move(ready));
  return {};
}

Result<std::unique_ptr<node::Files>> Machine::files(const std::string& node) const {
  return host::make_pod_files(paths_, node);
}

std::unique_ptr<node::Runtime> Machine::runtime(const std::string& node) {
  return guarded(host::make_cri_runtime(env_, *containerd_, network_, {artifacts_, datasets_}, node),
                 *firewall_);
}

void Machine::stop() {
  if (containerd_) containerd_->stop(kContainerdEnd);
}

}  // namespace ingot
