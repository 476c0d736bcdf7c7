// Connections that a worker asks for, of Git or of a webhook: where tenants' URLs may lead. A name is resolved here, its addresses are judged,
// and the worker gets the connected socket, so nothing it reads or is sent can lead it elsewhere.
//
// Only addresses that anybody on the Internet has are good, and none of this machine's: private networks, loopback,
// link-local (and with it the metadata of clouds) are refused unless the operator allowed them. Any thread.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "host/disk_file.h"

namespace ingot::host {

struct AddressRange {
  int family = 0;
  unsigned char bytes[16] = {};
  int prefix = 0;
  bool contains(const sockaddr*) const;
};
// "10.0.0.0/8", "fd00::/8", "192.0.2.7".
Result<AddressRange> parse_address_range(const std::string& text);

class AddressRules {
 public:
  // `flag`: with which the operator allows others.
  explicit AddressRules(std::vector<AddressRange> allowed, std::string flag = "--git-allow")
      : allowed_(std::move(allowed)), flag_(std::move(flag)) {}
  bool allowed_by_name(const sockaddr*) const;  // the operator said so
  bool allowed(const sockaddr*) const;
  // Resolves and connects. The Error's cause is one of env::kGit…
  Result<Fd> connect(const std::string& host, const std::string& port, bool only_named,
                     Duration timeout) const;

 private:
  const std::vector<AddressRange> allowed_;
  const std::string flag_;
};

// The worker's side and the factory's of the same pair of sockets: a question is "HOST\0PORT", an answer the socket, or
// cause and reason.
Result<Fd> ask_connection(int handle, const std::string& host, const std::string& port);
// False: the worker asks no more.
bool answer_connection(int handle, const AddressRules&, bool only_named, Duration timeout);

}  // namespace ingot::host
