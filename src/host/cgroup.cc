#include "host/cgroup.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>
#include "host/pidfd.h"

#include <chrono>
#include <filesystem>
#include <sstream>
#include <vector>

#include "host/containerd_process.h"
#include "host/disk_file.h"

namespace ingot::host {
namespace {

using namespace std::chrono_literals;

// Mount points of every cgroup hierarchy (proc(5), mountinfo: field 5, then after " - " the type).
std::vector<std::string> hierarchies() {
  std::vector<std::string> out;
  auto text = read_file("/proc/self/mountinfo", 16 << 20);
  if (!text) return out;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    size_t dash = line.find(" - cgroup");
    if (dash == line.npos) continue;
    std::istringstream fields(line);
    std::string id, parent, device, root, mount_point;
    fields >> id >> parent >> device >> root >> mount_point;
    out.push_back(mount_point);
  }
  return out;
}

// A directory and all beneath it, deepest first. cgroup trees are ours and shallow.
std::vector<std::string> tree(const std::string& top) {
  std::vector<std::string> out;
  std::error_code error;
  if (!std::filesystem::is_directory(top, error)) return out;
  out.push_back(top);
  for (size_t i = 0; i < out.size(); ++i)
    for (const auto& entry : std::filesystem::directory_iterator(out[i], error))
      if (entry.is_directory(error) && !entry.is_symlink(error)) out.push_back(entry.path());
  return {out.rbegin(), out.rend()};
}

// Sends SIGKILL to all processes found and returns what to wait for.
std::vector<Fd> kill_all(const std::string& path) {
  std::vector<Fd> processes;
  for (const std::string& hierarchy : hierarchies())
    for (const std::string& directory : tree(hierarchy + path)) {
      auto text = read_file(directory + "/cgroup.procs", 16 << 20);
      std::istringstream pids(text ? *text : "");
      for (int pid = 0; pids >> pid;) {
        Fd fd(pidfd_open(pid, 0));
        if (fd && pidfd_send_signal(fd.get(), SIGKILL, nullptr, 0) == 0) processes.push_back(std::move(fd));
      }
    }
  return processes;
}

}  // namespace

std::vector<std::string> cgroup_directories(const std::string& path) {
  std::vector<std::string> found;
  std::error_code error;
  for (const std::string& hierarchy : hierarchies())
    if (std::filesystem::is_directory(hierarchy + path, error)) found.push_back(hierarchy + path);
  return found;
}

void remove_cgroup(const std::string& path) {
  if (path.size() < 2 || path[0] != '/') return;
  for (const std::string& hierarchy : hierarchies()) {
    for (const std::string& directory : tree(hierarchy + path)) rmdir(directory.c_str());
    std::string parent = path;
    while (true) {
      parent.resize(parent.rfind('/'));
      if (parent.empty() || rmdir((hierarchy + parent).c_str()) != 0) break;
    }
  }
}

bool kill_cgroup(const std::string& path) {
  const auto end = std::chrono::steady_clock::now() + 2s;
  while (true) {
    std::vector<Fd> processes = kill_all(path);
    for (const Fd& process : processes) {
      auto left = std::chrono::duration_cast<Duration>(end - std::chrono::steady_clock::now());
      wait_process(process.get(), std::max<Duration>(left, 0s));
    }
    remove_cgroup(path);
    if (cgroup_directories(path).empty()) return true;
    if (processes.empty() || std::chrono::steady_clock::now() >= end) return false;
  }
}

}  // namespace ingot::host
