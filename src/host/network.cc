#include "host/network.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <bit>
#include <charconv>
#include <filesystem>
#include <sstream>

#include "api/json.h"
#include "base/encoding.h"
#include "host/containerd_process.h"
#include "host/network_link.h"

namespace ingot::host {
namespace {

constexpr Ipv4Range kAll{.address = 10u << 24 | 64u << 16, .prefix = 10};
constexpr int kRangePrefix = 20;
constexpr const char* kForwarding = "/proc/sys/net/ipv4/ip_forward";

struct Route {
  std::string interface;
  Ipv4Range to;
};

uint32_t mask(int prefix) { return prefix == 0 ? 0 : ~0u << (32 - prefix); }

// The main table, as /proc/net/route tells it: hexadecimal, in network byte order.
std::vector<Route> routes() {
  std::vector<Route> out;
  auto text = read_file("/proc/net/route", 16 << 20);
  if (!text) return out;
  std::istringstream lines(*text);
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string interface, destination, gateway, flags, references, use, metric, netmask;
    fields >> interface >> destination >> gateway >> flags >> references >> use >> metric >> netmask;
    uint32_t address = ntohl(uint32_t(std::strtoul(destination.c_str(), nullptr, 16)));
    uint32_t bits = ntohl(uint32_t(std::strtoul(netmask.c_str(), nullptr, 16)));
    out.push_back({.interface = interface, .to = {.address = address, .prefix = std::popcount(bits)}});
  }
  return out;
}

// Everything this machine routes or owns, but for the default route.
std::vector<Ipv4Range> taken_ranges() {
  std::vector<Ipv4Range> taken;
  for (const Route& route : routes())
    if (route.to.prefix > 0) taken.push_back(route.to);
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return taken;
  for (ifaddrs* one = all; one; one = one->ifa_next)
    if (one->ifa_addr && one->ifa_addr->sa_family == AF_INET)
      taken.push_back({ntohl(reinterpret_cast<sockaddr_in*>(one->ifa_addr)->sin_addr.s_addr), 32});
  freeifaddrs(all);
  return taken;
}

// Pods talk to each other and to this machine; no larger frames than its way out has.
int smallest_mtu() {
  int mtu = 1500;
  for (const Route& route : routes()) {
    if (route.to.prefix != 0) continue;
    auto text = read_file("/sys/class/net/" + route.interface + "/mtu");
    if (text) mtu = std::min(mtu, std::max(std::atoi(text->c_str()), 576));
  }
  return mtu;
}

std::vector<std::string> interfaces() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/class/net", error))
    names.push_back(entry.path().filename());
  return names;
}

struct Kept {
  Ipv4Range range;
  bool forwarding_was_on = true;
};
std::optional<Kept> kept(const MachinePaths& paths) {
  auto text = read_file(paths.network());
  auto json = text ? api::parse_json(*text) : Result<api::Json>(fail(text.error()));
  if (!json) return {};
  auto range = parse_ipv4_range(api::string_at(*json, {"range"}));
  if (!range) return {};
  return Kept{.range = *range, .forwarding_was_on = api::bool_at(*json, {"forwardingWasOn"}, true)};
}

bool another_factory_is_here(const MachineNames& names) {
  for (const std::string& name : interfaces())
    if (name.size() == 7 && name.starts_with("ing") && name != names.interface()) return true;
  return false;
}

}  // namespace

bool Ipv4Range::overlaps(const Ipv4Range& other) const {
  uint32_t both = mask(std::min(prefix, other.prefix));
  return (address & both) == (other.address & both);
}

std::string format_ipv4(uint32_t a) {
  return fmt::format("{}.{}.{}.{}", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}
std::string to_string(const Ipv4Range& range) {
  return fmt::format("{}/{}", format_ipv4(range.address), range.prefix);
}

Result<Ipv4Range> parse_ipv4_range(std::string_view text) {
  auto bad = [&] {
    return fail(Reason::Invalid, fmt::format("\"{}\" is no IPv4 range like 10.64.16.0/20", text));
  };
  size_t slash = text.find('/');
  if (slash == text.npos) return bad();
  in_addr address{};
  if (inet_pton(AF_INET, std::string(text.substr(0, slash)).c_str(), &address) != 1) return bad();
  Ipv4Range range{.address = ntohl(address.s_addr)};
  auto [end, error] = std::from_chars(text.data() + slash + 1, text.data() + text.size(), range.prefix);
  if (error != std::errc() || end != text.data() + text.size() || range.prefix < 0 || range.prefix > 32)
    return bad();
  if ((range.address & mask(range.prefix)) != range.address) return bad();
  return range;
}

Result<Ipv4Range> choose_pod_range(const std::string& factory_id, const std::vector<Ipv4Range>& taken) {
  constexpr uint32_t kCount = 1u << (kRangePrefix - kAll.prefix);
  std::string digest = sha256(factory_id);
  uint32_t start =
      uint32_t(static_cast<unsigned char>(digest[0])) << 8 | static_cast<unsigned char>(digest[1]);
  for (uint32_t i = 0; i < kCount; ++i) {
    Ipv4Range range{.address = kAll.address + ((start + i) % kCount << (32 - kRangePrefix)),
                    .prefix = kRangePrefix};
    bool free = true;
    for (const Ipv4Range& other : taken) free = free && !range.overlaps(other);
    if (free) return range;
  }
  return fail(Reason::ServiceUnavailable,
              "no free /20 in 10.64.0.0/10 for pods: this machine's routes use all of it (see `ip route`)");
}

Result<PodNetwork> PodNetwork::open(const MachinePaths& paths, const MachineNames& names) {
  PodNetwork network;
  network.names_ = names;
  network.mtu_ = smallest_mtu();
  auto forwarding = read_file(kForwarding);
  bool on = !forwarding || forwarding->starts_with('1');
  if (auto before = kept(paths)) {
    network.range_ = before->range;
  } else {
    auto chosen = choose_pod_range(names.id, taken_ranges());
    if (!chosen) return fail(chosen.error());
    network.range_ = *chosen;
    api::JsonObject record;
    record["range"] = to_string(*chosen);
    record["forwardingWasOn"] = on || another_factory_is_here(names);
    std::error_code error;
    std::filesystem::create_directories(paths.containerd(), error);
    if (auto written = write_file(paths.network(), api::to_text(record), 0600); !written)
      return fail(written.error());
  }
  // The whole range belongs to the dummy interface, so packets to addresses no pod has end here and not at a router.
  auto made = make_dummy_interface(names.interface(), network.range_.address + 1, network.range_.prefix);
  if (!made) return fail(made.error());
  if (!on)
    if (auto set = write_setting(kForwarding, "1"); !set) return fail(set.error());
  return network;
}

Result<void> PodNetwork::seal(const std::string& ip) const {
  in_addr address{};
  if (inet_pton(AF_INET, ip.c_str(), &address) != 1)
    return fail(Reason::Invalid, "not an IPv4 address: " + ip);
  const Ipv4Range pod{.address = ntohl(address.s_addr), .prefix = 32};
  for (const Route& route : routes()) {
    if (route.to != pod) continue;
    const std::string& veth = route.interface;
    if (auto set = write_setting("/proc/sys/net/ipv4/conf/" + veth + "/rp_filter", "1"); !set) return set;
    const std::string ipv6 = "/proc/sys/net/ipv6/conf/" + veth + "/disable_ipv6";
    if (std::filesystem::exists(ipv6))
      if (auto set = write_setting(ipv6, "1"); !set) return set;
    return write_setting("/sys/class/net/" + veth + "/netdev_group",
                         fmt::format("{}", names_.interface_group()));
  }
  return fail(Reason::NotFound, "no interface leads to pod address " + ip);
}

void PodNetwork::remove(const MachinePaths& paths, const MachineNames& names) {
  auto before = kept(paths);
  for (const Route& route : routes())
    if (before && route.to.prefix == 32 && route.to.overlaps(before->range))
      std::ignore = remove_interface(route.interface);
  for (const std::string& name : interfaces()) {
    auto group = read_file("/sys/class/net/" + name + "/netdev_group");
    if (group && std::strtoul(group->c_str(), nullptr, 10) == names.interface_group())
      std::ignore = remove_interface(name);
  }
  std::ignore = remove_interface(names.interface());
  if (before && !before->forwarding_was_on && !another_factory_is_here(names))
    std::ignore = write_setting(kForwarding, "0");

  std::error_code error;
  std::filesystem::remove_all(paths.cni_ipam(), error);
  const std::string results = names.cni_network() + "-";  // libcni's cache of what it did
  for (const auto& entry : std::filesystem::directory_iterator("/var/lib/cni/results", error))
    if (entry.path().filename().string().starts_with(results)) std::filesystem::remove(entry.path(), error);
}

}  // namespace ingot::host
