#include "host/git_connect.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "env/git.h"

namespace ingot::host {
namespace {

constexpr size_t kLongestQuestion = 512;
constexpr int kMostAddresses = 8;
constexpr size_t kMostHandles = 1;  // in a message; the kernel aligns, and there is room for another

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
  void operator()(ifaddrs* list) const { freeifaddrs(list); }
};

// What is not reachable from everywhere (IANA, "IPv4 and IPv6 Special-Purpose Address Registries"), and prefixes in
// which an IPv4 address hides.
constexpr const char* kSpecial[] = {
    "0.0.0.0/8",      "10.0.0.0/8",   "100.64.0.0/10",  "127.0.0.0/8",    "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24",   "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",  "198.51.100.0/24",
    "203.0.113.0/24", "224.0.0.0/4",  "240.0.0.0/4",    "::/96",          "64:ff9b::/96",   "64:ff9b:1::/48",
    "100::/64",       "2001::/23",    "2001:db8::/32",  "2002::/16",      "3fff::/20",      "5f00::/16",
    "fc00::/7",       "fe80::/9",     "ff00::/8"};

const std::vector<AddressRange>& special() {
  static const std::vector<AddressRange> ranges = [] {
    std::vector<AddressRange> all;
    for (const char* text : kSpecial) all.push_back(*parse_address_range(text));
    return all;
  }();
  return ranges;
}

// The address itself; an IPv4 one in IPv6's clothes is what it is.
std::pair<int, const unsigned char*> bytes_of(const sockaddr* address) {
  if (address->sa_family == AF_INET)
    return {AF_INET,
            reinterpret_cast<const unsigned char*>(&reinterpret_cast<const sockaddr_in*>(address)->sin_addr)};
  if (address->sa_family != AF_INET6) return {0, nullptr};
  const auto* six = reinterpret_cast<const sockaddr_in6*>(address);
  const auto* bytes = reinterpret_cast<const unsigned char*>(&six->sin6_addr);
  if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) return {AF_INET, bytes + 12};
  return {AF_INET6, bytes};
}

bool of_this_machine(const sockaddr* address) {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return true;
  const std::unique_ptr<ifaddrs, FreeAddresses> owned(list);
  const auto [family, bytes] = bytes_of(address);
  for (const ifaddrs* one = list; one; one = one->ifa_next) {
    if (!one->ifa_addr) continue;
    const auto [own, own_bytes] = bytes_of(one->ifa_addr);
    if (own != 0 && own == family && std::memcmp(own_bytes, bytes, own == AF_INET ? 4 : 16) == 0) return true;
  }
  return false;
}

// `patience`: for each of what is sent and received later.
Result<Fd> connect_to(const addrinfo& address, Duration timeout, Duration patience) {
  const auto failed = [](int error) {
    return fail(env::git_error(env::kGitUnreachable, std::string("cannot connect: ") + std::strerror(error)));
  };
  Fd socket(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return failed(errno);
  if (::connect(socket.get(), address.ai_addr, address.ai_addrlen) != 0 && errno != EINPROGRESS)
    return failed(errno);
  pollfd ready{socket.get(), POLLOUT, 0};
  const auto ms_of = [](Duration d) {
    return int(std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
  };
  if (::poll(&ready, 1, ms_of(timeout)) <= 0) return failed(ETIMEDOUT);
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return failed(error);
  ::fcntl(socket.get(), F_SETFL, 0);
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const int ms = ms_of(patience);
  const timeval silence{ms / 1000, (ms % 1000) * 1000};
  for (const int way : {SO_RCVTIMEO, SO_SNDTIMEO})
    ::setsockopt(socket.get(), SOL_SOCKET, way, &silence, sizeof silence);
  return socket;
}

// One datagram, with or without a handle.
bool send_message(int handle, const std::string& text, int passed) {
  iovec piece{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (passed >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
  }
  return ::sendmsg(handle, &message, MSG_NOSIGNAL) == ssize_t(text.size());
}

struct Message {
  std::string text;
  Fd handle;
};
std::optional<Message> receive_message(int handle) {
  char text[kLongestQuestion];
  iovec piece{text, sizeof text};
  alignas(cmsghdr) char control[CMSG_SPACE(kMostHandles * sizeof(int))];
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t n = ::recvmsg(handle, &message, MSG_CMSG_CLOEXEC);
  if (n < 0) return std::nullopt;
  // What the kernel has put there is ours to close, wanted or not.
  std::vector<Fd> passed;
  for (const cmsghdr* header = CMSG_FIRSTHDR(&message); header;
       header = CMSG_NXTHDR(&message, const_cast<cmsghdr*>(header)))
    for (size_t at = CMSG_LEN(0); header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
                                  at + sizeof(int) <= header->cmsg_len;
         at += sizeof(int)) {
      int one = -1;
      std::memcpy(&one, reinterpret_cast<const char*>(header) + at, sizeof one);
      passed.emplace_back(one);
    }
  if (n == 0 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || passed.size() > 1) return std::nullopt;
  Message out{.text = std::string(text, size_t(n))};
  if (!passed.empty()) out.handle = std::move(passed.front());
  return out;
}

}  // namespace

bool AddressRange::contains(const sockaddr* address) const {
  const auto [own, bytes_there] = bytes_of(address);
  if (own != family) return false;
  for (int bit = 0; bit < prefix; bit += 8) {
    const int left = std::min(8, prefix - bit);
    const unsigned char mask = static_cast<unsigned char>(0xff << (8 - left));
    if ((bytes[bit / 8] & mask) != (bytes_there[bit / 8] & mask)) return false;
  }
  return true;
}

Result<AddressRange> parse_address_range(const std::string& text) {
  const size_t slash = std::min(text.find('/'), text.size());
  const std::string address = text.substr(0, slash);
  AddressRange range;
  for (const int family : {AF_INET, AF_INET6})
    if (::inet_pton(family, address.c_str(), range.bytes) == 1) range.family = family;
  const int most = range.family == AF_INET ? 32 : 128;
  range.prefix = most;
  bool good = range.family != 0;
  if (slash < text.size()) {
    const char* end = text.data() + text.size();
    const auto read = std::from_chars(text.data() + slash + 1, end, range.prefix);
    good = good && read.ec == std::errc() && read.ptr == end && range.prefix >= 0 && range.prefix <= most;
  }
  if (!good) return fail(Reason::Invalid, "\"" + text + "\" is no range of addresses such as 10.1.0.0/16");
  return range;
}

bool AddressRules::allowed_by_name(const sockaddr* address) const {
  return std::ranges::any_of(allowed_, [&](const AddressRange& range) { return range.contains(address); });
}

bool AddressRules::allowed(const sockaddr* address) const {
  if (allowed_by_name(address)) return true;
  const bool known = bytes_of(address).second != nullptr;
  return known &&
         std::ranges::none_of(special(), [&](const AddressRange& r) { return r.contains(address); }) &&
         !of_this_machine(address);
}

Result<Fd> AddressRules::connect(const std::string& host, const std::string& port, bool only_named,
                                 Duration timeout) const {
  const addrinfo hints{.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG, .ai_socktype = SOCK_STREAM};
  addrinfo* list = nullptr;
  if (const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &list); error != 0)
    return fail(env::git_error(env::kGitUnreachable, "cannot find " + host + ": " + gai_strerror(error)));
  const std::unique_ptr<addrinfo, FreeAddresses> owned(list);
  Result<Fd> tried = fail(env::git_error(
      env::kGitRefused,
      only_named
          ? "without encryption only hosts that the operator allowed are asked: use https://, or have the "
            "factory started with " +
                flag_
          : host +
                " is at an address that is not public: only the factory's operator can allow it, with "
                "ingot up " +
                flag_ + " ADDRESS"));
  int left = kMostAddresses;
  const auto end = std::chrono::steady_clock::now() + timeout;  // of all of them: somebody waits
  for (const addrinfo* one = list; one && left > 0; one = one->ai_next) {
    if (only_named ? !allowed_by_name(one->ai_addr) : !allowed(one->ai_addr)) continue;
    --left;
    const Duration rest = end - std::chrono::steady_clock::now();
    if (rest <= Duration::zero()) break;
    tried = connect_to(*one, rest, timeout);
    if (tried) break;
  }
  return tried;
}

Result<Fd> ask_connection(int handle, const std::string& host, const std::string& port) {
  const auto nobody = [] {
    return fail(env::git_error(env::kGitUnreachable, "nobody answers who makes connections"));
  };
  if (!send_message(handle, host + std::string(1, '\0') + port, -1)) return nobody();
  auto answer = receive_message(handle);
  if (!answer) return nobody();
  if (answer->handle) return std::move(answer->handle);
  const size_t end = answer->text.find('\0');
  if (end == answer->text.npos) return nobody();
  return fail(env::git_error(answer->text.substr(0, end), answer->text.substr(end + 1)));
}

bool answer_connection(int handle, const AddressRules& rules, bool only_named, Duration timeout) {
  const auto question = receive_message(handle);
  if (!question) return false;
  const size_t end = question->text.find('\0');
  if (end == question->text.npos) return false;
  const auto made =
      rules.connect(question->text.substr(0, end), question->text.substr(end + 1), only_named, timeout);
  if (made) return send_message(handle, "+", made->get());
  const Error& error = made.error();
  return send_message(handle,
                      (error.causes.front().type + std::string(1, '\0') + error.message).substr(0, 400), -1);
}

}  // namespace ingot::host
