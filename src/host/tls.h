// TLS contexts: ours as a server, and as a client of a factory. TLS 1.2 and later, HTTP/1.1 only (ALPN).
// A client certificate that does not verify is no certificate, not a failed handshake: the caller is then anonymous
// and gets a Status. Sessions are not resumed, so every connection's certificate was checked on that connection.
// Thread rule: any; a context is immutable once made.
#pragma once

#include <optional>
#include <string>

#include "apiserver/request.h"
#include "base/time.h"
#include "host/openssl.h"

namespace ingot::host {

struct TlsServerSpec {
  std::string certificate_pem, key_pem;
  std::string client_ca_pem;
};
Result<SslContextPtr> make_server_context(const TlsServerSpec&);

struct TlsClientSpec {
  std::string ca_pem;
  std::string certificate_pem, key_pem;  // empty: none
};
Result<SslContextPtr> make_client_context(const TlsClientSpec&);

struct VerifiedPeer {
  apiserver::PeerCertificate certificate;
  WallTime not_after;
};
std::optional<VerifiedPeer> verified_peer(SSL*);

}  // namespace ingot::host
