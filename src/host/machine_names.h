// The names on the machine that a factory owns, all derived from its id, so that two factories do not meet.
// Plain values; any thread.
#pragma once

#include <cstdint>
#include <string>

namespace ingot::host {

struct MachineNames {
  std::string id;  // 4 lower-case hex digits

  std::string interface() const { return "ing" + id; }     // dummy interface with the API's pod-side address
  std::string nft_table() const { return "ingot_" + id; }  // family inet
  std::string cgroup_parent() const { return "/ingot-" + id; }
  std::string cni_network() const { return "ingot-" + id; }
  // The interface group of every pod's host-side veth: `iifgroup` in rules. Group 0 is everybody else's.
  uint32_t interface_group() const { return 0x1a600000u | uint32_t(std::stoul(id, nullptr, 16)); }
};

// Where the machine part keeps things beneath a factory's data directory.
struct MachinePaths {
  std::string data;

  std::string containerd() const { return data + "/containerd"; }
  std::string root() const { return containerd() + "/root"; }
  std::string state() const { return containerd() + "/state"; }
  std::string socket() const { return containerd() + "/containerd.sock"; }
  std::string config() const { return containerd() + "/config.toml"; }
  std::string log() const { return containerd() + "/containerd.log"; }
  std::string process() const { return containerd() + "/process.json"; }
  std::string cni_conf() const { return containerd() + "/cni/conf"; }
  std::string cni_ipam() const { return containerd() + "/cni/ipam"; }
  std::string network() const { return containerd() + "/network.json"; }
  std::string pods(const std::string& node) const { return data + "/nodes/" + node + "/pods"; }
};

}  // namespace ingot::host
