// X.509 certificates on P-256 keys: made, read, written as PEM. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apiserver/request.h"
#include "base/error.h"
#include "base/time.h"
#include "host/openssl.h"

namespace ingot::host {

PkeyPtr make_p256_key();
Result<PkeyPtr> parse_key(std::string_view pem);
Result<X509Ptr> parse_certificate(std::string_view pem);
std::string to_pem(EVP_PKEY*);
std::string to_pem(X509*);

struct CertificateSpec {
  std::string common_name, unit;
  std::vector<std::string> organizations;
  std::vector<std::string> dns_names, addresses;  // subjectAltName
  enum class Use : uint8_t { Authority, Server, Client } use = Use::Client;
  WallTime from, to;
  uint64_t serial = 0;
};

// Signed by `issuer`; issuer == nullptr signs with `key` itself (an authority).
Result<X509Ptr> make_certificate(const CertificateSpec&, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key);

WallTime not_after(const X509*);
// DNS names and addresses of subjectAltName, sorted.
std::vector<std::string> alternative_names(const X509*);
apiserver::PeerCertificate subject(const X509*);

}  // namespace ingot::host
