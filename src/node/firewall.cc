#include "node/firewall.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace ingot::node {
namespace {
// Only what we made ourselves gets into the text; anything else would be a way to write rules.
bool plain(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '_' || c == '-' || c == ':' || c == '/';
  });
}

std::vector<PodAddress> checked(std::vector<PodAddress> pods) {
  std::erase_if(pods, [](const PodAddress& p) {
    return !plain(p.ip) || !plain(p.cluster) || (!p.interface.empty() && !plain(p.interface));
  });
  std::ranges::sort(pods);
  // Of two claims to one address neither is believed.
  std::map<std::string, int> claims;
  for (const PodAddress& p : pods) ++claims[p.ip];
  std::erase_if(pods, [&](const PodAddress& p) { return claims[p.ip] > 1; });
  return pods;
}

std::string set_text(std::string_view name, std::string_view type, const std::vector<std::string>& elements) {
  std::string text = fmt::format("  set {} {{\n    type {};\n", name, type);
  if (!elements.empty()) text += fmt::format("    elements = {{ {} }}\n", fmt::join(elements, ", "));
  return text + "  }\n";
}
}  // namespace

std::string ruleset(const FirewallState& state) {
  const std::vector<PodAddress> pods = checked(state.pods);
  // Clusters as small numbers: a packet gets its sender's as mark, and must meet the receiver's.
  std::map<std::string, uint32_t> number;
  for (const PodAddress& p : pods) number.emplace(p.cluster, uint32_t(number.size() + 1));
  std::vector<std::string> cluster_of, member, origin, bare;
  for (const PodAddress& p : pods) {
    cluster_of.push_back(fmt::format("{} : {}", p.ip, number[p.cluster]));
    member.push_back(fmt::format("{} . {}", p.ip, number[p.cluster]));
    if (p.interface.empty())
      bare.push_back(p.ip);
    else
      origin.push_back(fmt::format("\"{}\" . {}", p.interface, p.ip));
  }
  // What comes from a pod: by its interface where all pods' interfaces have a group, else by address.
  const std::string from_pod = state.interface_group ? fmt::format("iifgroup {}", state.interface_group)
                                                     : fmt::format("ip saddr {}", state.pod_range);
  const std::string to_pod = state.interface_group ? fmt::format("oifgroup {}", state.interface_group)
                                                   : fmt::format("ip daddr {}", state.pod_range);
  const std::string genuine = "iifname . ip saddr @origin";

  std::string text =
      fmt::format("add table inet {0}\ndelete table inet {0}\ntable inet {0} {{\n", state.table);
  text += "  map cluster_of {\n    type ipv4_addr : mark;\n";
  if (!cluster_of.empty()) text += fmt::format("    elements = {{ {} }}\n", fmt::join(cluster_of, ", "));
  text += "  }\n";
  text += set_text("member", "ipv4_addr . mark", member);
  text += set_text("origin", "ifname . ipv4_addr", origin);
  text += set_text("bare", "ipv4_addr", bare);
  // Addresses first, before any connection is remembered: a forged packet finds no established one.
  text += fmt::format(
      "  chain from_pods {{\n"
      "    {genuine} accept\n"
      "    ip saddr @bare accept\n"
      "    drop\n"
      "  }}\n"
      "  chain prerouting {{\n"
      "    type filter hook prerouting priority raw; policy accept;\n"
      "    {from} jump from_pods\n"
      "    {from_group}ip saddr {range} drop\n"
      "  }}\n",
      fmt::arg("genuine", genuine), fmt::arg("from", from_pod), fmt::arg("range", state.pod_range),
      fmt::arg("from_group", state.interface_group
                                 ? fmt::format("iifgroup != {} iif != lo ", state.interface_group)
                                 : "iif != lo ip saddr != @bare iifname . ip saddr != @origin "));
  text += fmt::format(
      "  chain input {{\n"
      "    type filter hook input priority filter; policy accept;\n"
      "    iif lo accept\n"
      "    {from} ct state established accept\n"
      "    {from} ip daddr {api} tcp dport {port} accept\n"
      "    {from} drop\n"
      "  }}\n",
      fmt::arg("from", from_pod), fmt::arg("api", state.api_ip), fmt::arg("port", state.api_port));
  // Every packet is judged by whose the addresses are now: a connection of an address's former owner opens nothing.
  text += fmt::format(
      "  chain between_pods {{\n"
      "    meta mark set 0\n"
      "    meta mark set ip saddr map @cluster_of\n"
      "    ip daddr . meta mark @member accept\n"
      "    drop\n"
      "  }}\n"
      "  chain forward {{\n"
      "    type filter hook forward priority filter; policy accept;\n"
      "    {from} {to} jump between_pods\n"
      "    {from} drop\n"
      "    {to} drop\n"
      "  }}\n"
      "}}\n",
      fmt::arg("from", from_pod), fmt::arg("to", to_pod));
  return text;
}

std::string remove_ruleset(const std::string& table) {
  return fmt::format("add table inet {0}\ndelete table inet {0}\n", table);
}

}  // namespace ingot::node
