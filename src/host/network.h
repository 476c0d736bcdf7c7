// The factory's pod network on this machine: its address range, the interface that carries the API's pod-side
// address, and what is tightened on each pod's veth. CNI makes and removes the veths themselves.
// Thread rule: one thread at a time; calls take well under a millisecond (netlink, /proc, /sys).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/machine_names.h"

namespace ingot::host {

struct Ipv4Range {
  uint32_t address = 0;  // host order, the range's first
  int prefix = 0;
  bool overlaps(const Ipv4Range&) const;
  auto operator<=>(const Ipv4Range&) const = default;
};
std::string to_string(const Ipv4Range&);  // "10.64.16.0/20"
std::string format_ipv4(uint32_t host_order);
Result<Ipv4Range> parse_ipv4_range(std::string_view);

// A /20 of 10.64.0.0/10 that overlaps none of `taken`; which one is asked first follows from the factory's id, so that
// two factories that start at once choose apart. ServiceUnavailable when none is free.
Result<Ipv4Range> choose_pod_range(const std::string& factory_id, const std::vector<Ipv4Range>& taken);

class PodNetwork {
 public:
  // Takes the range kept in DATA/containerd/network.json or chooses one, then makes interface ingID with the range's
  // first address. An interface left by an earlier run is adopted.
  static Result<PodNetwork> open(const MachinePaths&, const MachineNames&);

  const Ipv4Range& range() const { return range_; }
  std::string api_address() const {
    return format_ipv4(range_.address + 1);
  }  // pods reach their API server here
  int mtu() const { return mtu_; }

  // Tightens the host's end of the veth of the pod at `ip`, before any of the pod's containers exist: strict reverse
  // path filter (no packet with another's address), no IPv6, and the factory's interface group for `iifgroup` rules.
  // Idempotent. NotFound when no route leads to that address.
  Result<void> seal(const std::string& ip) const;

  // Removes what open() and CNI left on the machine: the interface, veths of the factory's group and range, address
  // reservations; forwarding goes back to what it was once no other factory's interface is there.
  static void remove(const MachinePaths&, const MachineNames&);

 private:
  MachineNames names_;
  Ipv4Range range_;
  int mtu_ = 1500;
};

}  // namespace ingot::host
