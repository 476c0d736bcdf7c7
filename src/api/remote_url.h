// Where a Git repository is, as people write it: https://host/path, ssh://user@host/path, git@host:path, file:///path.
// Pure; any thread.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace ingot::api {

struct RemoteUrl {
  enum class Scheme : uint8_t { Https, Http, Ssh, File } scheme = Scheme::Https;
  std::string user;  // of ssh
  std::string host;  // "" of file; an IPv6 address without brackets
  uint16_t port = 0;
  std::string path;  // from the first '/'; of file: absolute
};

// Error: what is wrong, for after "spec.url: ". A password in it is refused: it belongs into a Secret.
std::expected<RemoteUrl, std::string> parse_remote_url(std::string_view text);

}  // namespace ingot::api
