#include "ingot/server_names.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <unistd.h>

#include <climits>
#include <memory>
#include <set>

namespace ingot {
namespace {

void add_interfaces(std::set<std::string>& addresses) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return;
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, ::freeifaddrs);
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    char text[INET6_ADDRSTRLEN] = "";
    if (at->ifa_addr == nullptr) continue;
    if (at->ifa_addr->sa_family == AF_INET)
      inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(at->ifa_addr)->sin_addr, text, sizeof text);
    else if (at->ifa_addr->sa_family == AF_INET6)
      inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(at->ifa_addr)->sin6_addr, text, sizeof text);
    if (*text != '\0') addresses.insert(text);
  }
}

// Only what a certificate may carry: a host's name can be anything.
bool is_dns_name(const std::string& name) {
  return !name.empty() &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") ==
             name.npos;
}

}  // namespace

ServerNames server_names(const std::string& listen, const std::vector<std::string>& more) {
  std::set<std::string> dns{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
                            "kubernetes.default.svc.cluster.local"};
  char host[HOST_NAME_MAX + 1] = "";
  if (::gethostname(host, sizeof host - 1) == 0 && is_dns_name(host)) dns.insert(host);
  std::set<std::string> addresses{"127.0.0.1", "::1"};
  if (listen == "0.0.0.0" || listen == "::")
    add_interfaces(addresses);
  else
    addresses.insert(listen);
  addresses.insert(more.begin(), more.end());
  return {{dns.begin(), dns.end()}, {addresses.begin(), addresses.end()}};
}

}  // namespace ingot
