// Whether a server of SSH is who it should be, by the lines of a known_hosts file. Pure; any thread.
// Source: OpenSSH, sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".
#pragma once

#include <cstdint>
#include <string_view>

namespace ingot::host {

enum class HostKey : uint8_t {
  Known,
  Other,    // the host has other keys there
  Unknown,  // no line is about the host
  Revoked,
};
// `key`: as it comes over the wire. Plain names, `*` and `?` patterns, "!", [host]:port and hashed names; lines of
// certificate authorities are not for us.
HostKey known_host(std::string_view file, std::string_view host, uint16_t port, std::string_view key);

}  // namespace ingot::host
