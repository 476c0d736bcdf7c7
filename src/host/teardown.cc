#include "host/teardown.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>
#include "host/pidfd.h"

#include <cctype>
#include <filesystem>
#include <sstream>

#include "host/cgroup.h"
#include "host/containerd_process.h"
#include "host/firewall_apply.h"
#include "host/network.h"
#include "host/pod_files.h"

namespace ingot::host {
namespace {

using namespace std::chrono_literals;

// containerd with our configuration, and shims that answer to our socket.
bool is_ours(const MachinePaths& paths, const std::string& line) {
  bool containerd = line.find("containerd --config " + paths.config()) != line.npos;
  bool shim =
      line.find("containerd-shim") != line.npos && line.find("-address " + paths.socket() + " ") != line.npos;
  return containerd || shim;
}

std::vector<int> our_processes(const MachinePaths& paths) {
  std::vector<int> pids;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (!std::isdigit(static_cast<unsigned char>(name[0]))) continue;
    int pid = std::atoi(name.c_str());
    if (is_ours(paths, command_line(pid) + " ")) pids.push_back(pid);
  }
  return pids;
}

void end_processes(const MachinePaths& paths, int signal_number, Duration wait) {
  for (int pid : our_processes(paths)) {
    Fd process(pidfd_open(pid, 0));
    if (!process || !is_ours(paths, command_line(pid) + " ")) continue;
    pidfd_send_signal(process.get(), signal_number, nullptr, 0);
    wait_process(process.get(), wait);
  }
}

std::vector<std::string> mounts_beneath(const std::string& directory) {
  std::vector<std::string> found;
  auto text = read_file("/proc/self/mountinfo");
  std::istringstream lines(text ? *text : "");
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string id, parent, device, root, mount_point;
    fields >> id >> parent >> device >> root >> mount_point;
    if (mount_point.starts_with(directory + "/")) found.push_back(mount_point);
  }
  return found;
}

}  // namespace

std::vector<std::string> machine_leftovers(const MachinePaths& paths, const MachineNames& names) {
  std::vector<std::string> left;
  for (int pid : our_processes(paths)) left.push_back(fmt::format("process {}: {}", pid, command_line(pid)));
  for (const std::string& mount : mounts_beneath(paths.data)) left.push_back("mount " + mount);
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(paths.state() + "/io.containerd.grpc.v1.cri/netns", error))
    left.push_back("network namespace " + entry.path().string());
  for (const auto& entry : std::filesystem::directory_iterator("/sys/class/net", error)) {
    auto group = read_file(entry.path().string() + "/netdev_group");
    bool grouped = group && std::strtoul(group->c_str(), nullptr, 10) == names.interface_group();
    if (grouped || entry.path().filename() == names.interface())
      left.push_back("interface " + entry.path().filename().string());
  }
  for (const std::string& directory : cgroup_directories(names.cgroup_parent()))
    left.push_back("cgroup " + directory);
  FirewallApply firewall;
  if (firewall.list("table inet " + names.nft_table()))
    left.push_back("nftables table inet " + names.nft_table());
  return left;
}

std::vector<std::string> teardown(const MachinePaths& paths, const MachineNames& names) {
  // containerd first: while it runs, it would see its containers die and act on it.
  end_processes(paths, SIGTERM, 5s);
  kill_cgroup(names.cgroup_parent());
  end_processes(paths, SIGKILL, 2s);
  unlink(paths.process().c_str());
  unlink(paths.socket().c_str());

  unmount_beneath(paths.data + "/nodes");
  unmount_beneath(paths.state());
  unmount_beneath(paths.root());
  // Everything in state/ is about what runs: bundles, network namespaces, runc's notes.
  Fd directory(open(paths.containerd().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (directory) remove_tree(directory.get(), "state");
  PodNetwork::remove(paths, names);
  remove_cgroup(names.cgroup_parent());
  FirewallApply firewall;
  std::ignore = firewall.remove_table("inet " + names.nft_table());
  return machine_leftovers(paths, names);
}

}  // namespace ingot::host
