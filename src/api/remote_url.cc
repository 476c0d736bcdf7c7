#include "api/remote_url.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace ingot::api {
namespace {

using Scheme = RemoteUrl::Scheme;
constexpr size_t kLongest = 2'048;

struct SchemeRow {
  std::string_view prefix;
  Scheme scheme;
  uint16_t port;
};
constexpr SchemeRow kSchemes[] = {{"https://", Scheme::Https, 443},
                                  {"http://", Scheme::Http, 80},
                                  {"ssh://", Scheme::Ssh, 22},
                                  {"file://", Scheme::File, 0}};

bool plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f && c != '\\' && c != '"'; });
}
bool host_characters(std::string_view host) {
  return !host.empty() && host.size() <= 253 && host.front() != '-' && std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_' || c == ':';
  });
}

std::optional<std::string> read_authority(std::string_view text, bool ssh, RemoteUrl& url) {
  if (const size_t at = text.rfind('@'); at != text.npos) {
    const std::string_view user = text.substr(0, at);
    if (!ssh || user.find(':') != user.npos)
      return "credentials belong into the Secret that spec.secretRef names";
    if (user.empty() || user.size() > 64 || user.front() == '-') return "names no user before \"@\"";
    url.user = user;
    text = text.substr(at + 1);
  }
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == text.npos) return "has \"[\" without \"]\"";
    url.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && port.front() != ':') return "has something between the host and the port";
  } else {
    const size_t colon = text.find(':');
    url.host = text.substr(0, colon);
    port = colon == text.npos ? std::string_view() : text.substr(colon);
    if (url.host.find(':') != url.host.npos) return "names no host";
  }
  if (!host_characters(url.host)) return "names no host";
  if (port.empty()) return std::nullopt;
  port.remove_prefix(1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
  if (error != std::errc() || end != port.data() + port.size() || url.port == 0)
    return "has a port that is none";
  return std::nullopt;
}

}  // namespace

std::expected<RemoteUrl, std::string> parse_remote_url(std::string_view text) {
  if (text.size() > kLongest) return std::unexpected("is longer than 2048 characters");
  if (!plain(text)) return std::unexpected("has characters that no URL has; write %20 for a space");
  const auto row =
      std::ranges::find_if(kSchemes, [&](const SchemeRow& s) { return text.starts_with(s.prefix); });
  RemoteUrl url;
  std::string_view authority;
  if (row != std::end(kSchemes)) {
    url.scheme = row->scheme;
    url.port = row->port;
    const std::string_view rest = text.substr(row->prefix.size());
    const size_t slash = std::min(rest.find('/'), rest.size());
    authority = rest.substr(0, slash);
    url.path = rest.substr(slash);
  } else {
    const size_t colon = text.find(':');
    const size_t at = text.find('@');
    if (at == text.npos || colon == text.npos || colon < at || text.find("://") != text.npos)
      return std::unexpected("must begin with https://, ssh:// or file://, or be git@HOST:PATH");
    url.scheme = Scheme::Ssh;
    url.port = 22;
    authority = text.substr(0, colon);
    url.path = "/" + std::string(text.substr(colon + 1));
  }
  if (url.path.size() < 2) return std::unexpected("names no repository");
  if (url.path.find('?') != url.path.npos || url.path.find('#') != url.path.npos)
    return std::unexpected("must have no \"?\" and no \"#\"");
  if (url.scheme == Scheme::File) {
    if (!authority.empty()) return std::unexpected("must be file:///PATH, without a host");
    return url;
  }
  if (auto wrong = read_authority(authority, url.scheme == Scheme::Ssh, url)) return std::unexpected(*wrong);
  return url;
}

}  // namespace ingot::api
