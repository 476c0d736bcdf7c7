// Who may talk to whom: the nftables ruleset of a factory from the pods that run. Pure; any thread. Several
// simulated nodes share one machine and one table.
//
// Invariants: a packet passes between two pods only when both are of the same cluster; a pod reaches the API address
// and nothing else of the machine or beyond it; a pod's packets carry its own address; what is not named is dropped.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ingot::node {

struct PodAddress {
  std::string ip;         // IPv4
  std::string cluster;    // the cluster's id
  std::string interface;  // the host side of its veth; "" = not known, then only its group is checked
  auto operator<=>(const PodAddress&) const = default;
};

struct FirewallState {
  std::string table;             // "ingot_3f2a"
  std::string pod_range;         // "10.64.16.0/20"
  uint32_t interface_group = 0;  // of every pod's veth; 0 = pods are told by their address only
  std::string api_ip;
  uint16_t api_port = 6443;
  std::vector<PodAddress> pods;
};

// The text for `nft -f` (nft_run_cmd_from_buffer): replaces the table's whole content in one transaction.
std::string ruleset(const FirewallState&);
// Removes the table; succeeds when there is none.
std::string remove_ruleset(const std::string& table);

}  // namespace ingot::node
