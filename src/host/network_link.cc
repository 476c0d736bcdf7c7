#include "host/network_link.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "host/containerd_process.h"

namespace ingot::host {
namespace {

// One request with its attributes, built in place.
class Request {
 public:
  template <class Body>
  Request(uint16_t type, uint16_t flags, const Body& body) {
    header().nlmsg_type = type;
    header().nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    header().nlmsg_len = NLMSG_LENGTH(sizeof body);
    std::memcpy(NLMSG_DATA(buffer_), &body, sizeof body);
  }
  void attribute(uint16_t type, const void* data, size_t size) {
    auto* at = begin(type);
    std::memcpy(RTA_DATA(at), data, size);
    header().nlmsg_len += NLMSG_ALIGN(size);
    end(at);
    at->rta_len = uint16_t(RTA_LENGTH(size));
  }
  rtattr* begin(uint16_t type) {
    ASSERT(header().nlmsg_len + 64 < sizeof buffer_);
    auto* at = reinterpret_cast<rtattr*>(buffer_ + NLMSG_ALIGN(header().nlmsg_len));
    at->rta_type = type;
    header().nlmsg_len = NLMSG_ALIGN(header().nlmsg_len) + RTA_LENGTH(0);
    return at;
  }
  void end(rtattr* at) { at->rta_len = uint16_t(buffer_ + header().nlmsg_len - reinterpret_cast<char*>(at)); }

  // 0, or the kernel's errno.
  int send_and_wait() {
    Fd socket_fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!socket_fd) return errno;
    sockaddr_nl kernel{.nl_family = AF_NETLINK};
    if (sendto(socket_fd.get(), buffer_, header().nlmsg_len, 0, reinterpret_cast<sockaddr*>(&kernel),
               sizeof kernel) < 0)
      return errno;
    alignas(nlmsghdr) char answer[4096];
    ssize_t n = recv(socket_fd.get(), answer, sizeof answer, 0);
    if (n < ssize_t(NLMSG_LENGTH(sizeof(nlmsgerr)))) return EIO;
    auto* head = reinterpret_cast<nlmsghdr*>(answer);
    return head->nlmsg_type == NLMSG_ERROR ? -static_cast<nlmsgerr*>(NLMSG_DATA(head))->error : EIO;
  }

 private:
  nlmsghdr& header() { return *reinterpret_cast<nlmsghdr*>(buffer_); }
  alignas(nlmsghdr) char buffer_[512] = {};
};

std::unexpected<Error> refused(const char* what, const std::string& name, int error) {
  return fail(Reason::InternalError,
              fmt::format("cannot {} interface {}: {}", what, name, std::strerror(error)));
}

}  // namespace

namespace {

int make_link(const std::string& name, const char* kind) {
  Request add(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{.ifi_family = AF_UNSPEC});
  add.attribute(IFLA_IFNAME, name.c_str(), name.size() + 1);
  rtattr* info = add.begin(IFLA_LINKINFO);
  add.attribute(IFLA_INFO_KIND, kind, std::strlen(kind));
  add.end(info);
  return add.send_and_wait();
}

}  // namespace

Result<void> make_dummy_interface(const std::string& name, uint32_t address, int prefix) {
  int error = make_link(name, "dummy");
  if (error == EOPNOTSUPP) error = make_link(name, "bridge");
  if (error != 0 && error != EEXIST) return refused("make", name, error);
  int index = int(if_nametoindex(name.c_str()));
  if (index == 0) return refused("find", name, errno);

  Request up(
      RTM_NEWLINK, 0,
      ifinfomsg{.ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP});
  error = up.send_and_wait();
  if (error != 0) return refused("bring up", name, error);

  Request give(
      RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL,
      ifaddrmsg{.ifa_family = AF_INET, .ifa_prefixlen = uint8_t(prefix), .ifa_index = uint32_t(index)});
  uint32_t network_order = htonl(address);
  give.attribute(IFA_LOCAL, &network_order, sizeof network_order);
  give.attribute(IFA_ADDRESS, &network_order, sizeof network_order);
  error = give.send_and_wait();
  if (error != 0 && error != EEXIST) return refused("give an address to", name, error);
  return {};
}

Result<void> remove_interface(const std::string& name) {
  int index = int(if_nametoindex(name.c_str()));
  if (index == 0) return {};
  Request remove(RTM_DELLINK, 0, ifinfomsg{.ifi_family = AF_UNSPEC, .ifi_index = index});
  int error = remove.send_and_wait();
  if (error != 0 && error != ENODEV) return refused("remove", name, error);
  return {};
}

}  // namespace ingot::host
