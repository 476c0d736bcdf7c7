#include "host/pki.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/json.h"
#include "base/encoding.h"
#include "host/disk_file.h"
#include "host/jws.h"

namespace ingot::host {
namespace {

using std::chrono::days;
using std::chrono::duration_cast;
using std::chrono::microseconds;

constexpr Duration kAuthorityLife = days(3650);
constexpr Duration kCertificateLife = days(365);
constexpr Duration kRenewBefore = days(30);
constexpr Duration kBackdate = std::chrono::minutes(5);  // clocks of clients differ a little

}  // namespace

Result<std::unique_ptr<Pki>> Pki::open(std::string directory, const env::Clock& clock,
                                       env::Entropy& entropy) {
  if (auto made = make_directory(directory, 0700); !made) return fail(made.error());
  std::unique_ptr<Pki> pki(new Pki(std::move(directory), clock, entropy));
  if (auto loaded = pki->load_or_make_authority(); !loaded) return fail(loaded.error());
  auto key = pki->load_or_make_key("tokens.key");
  if (!key) return fail(key.error());
  pki->token_key_ = std::move(*key);
  pki->token_kid_ = key_id(pki->token_key_.get());
  return pki;
}

Result<PkeyPtr> Pki::load_or_make_key(std::string_view name) {
  auto pem = read_file(file(name));
  if (pem) {
    auto key = parse_key(*pem);
    if (!key) return fail(Reason::InternalError, fmt::format("{}: {}", file(name), key.error().message));
    return key;
  }
  if (pem.error().reason != Reason::NotFound) return fail(pem.error());
  PkeyPtr key = make_p256_key();
  if (auto written = write_file(file(name), to_pem(key.get()), 0600); !written) return fail(written.error());
  return key;
}

Result<void> Pki::load_or_make_authority() {
  auto key = load_or_make_key("ca.key");
  if (!key) return fail(key.error());
  ca_key_ = std::move(*key);
  auto pem = read_file(file("ca.crt"));
  if (!pem && pem.error().reason != Reason::NotFound) return fail(pem.error());
  if (!pem) {
    const WallTime now = clock_.wall();
    // A name of its own, so that clients of two factories are not offered the wrong certificate.
    auto made = make_certificate({.common_name = fmt::format("ingot authority {:08x}", entropy_.next() >> 32),
                                  .use = CertificateSpec::Use::Authority,
                                  .from = now - duration_cast<microseconds>(kBackdate),
                                  .to = now + duration_cast<microseconds>(kAuthorityLife),
                                  .serial = entropy_.next() >> 1},
                                 ca_key_.get(), nullptr, nullptr);
    if (!made) return fail(made.error());
    pem = to_pem(made->get());
    if (auto written = write_file(file("ca.crt"), *pem, 0644); !written) return fail(written.error());
  }
  auto certificate = parse_certificate(*pem);
  if (!certificate) return fail(Reason::InternalError, file("ca.crt") + ": " + certificate.error().message);
  if (X509_check_private_key(certificate->get(), ca_key_.get()) != 1) {
    ERR_clear_error();
    return fail(Reason::InternalError,
                fmt::format("{} does not belong to {}: restore both from a backup, or remove both and issue "
                            "every kubeconfig again",
                            file("ca.crt"), file("ca.key")));
  }
  ca_ = std::move(*certificate);
  ca_pem_ = std::move(*pem);
  return {};
}

std::string Pki::sign(const api::JsonObject& claims) {
  return sign_es256(token_key_.get(), token_kid_, api::to_text(claims));
}

Result<api::Json> Pki::verify(const std::string& token) {
  auto payload = verify_es256(token_key_.get(), token_kid_, token);
  if (!payload) return fail(payload.error());
  auto claims = api::parse_json(*payload);
  if (!claims || !claims->is_object()) return fail(Reason::Unauthorized, "invalid bearer token");
  return claims;
}

Result<Pki::KeyPair> Pki::client_certificate(const apiserver::Identity& identity, Duration ttl) {
  if (ttl <= Duration::zero()) return fail(Reason::Invalid, "ttl must be more than 0");
  return issue({.common_name = identity.name, .unit = identity.home.value, .organizations = identity.groups},
               ttl);
}

Result<Pki::KeyPair> Pki::issue(CertificateSpec spec, Duration ttl) {
  const WallTime now = clock_.wall();
  spec.from = now - duration_cast<microseconds>(kBackdate);
  spec.to = std::min(not_after(ca_.get()), now + duration_cast<microseconds>(std::min(ttl, kAuthorityLife)));
  spec.serial = entropy_.next() >> 1;
  PkeyPtr key = make_p256_key();
  auto certificate = make_certificate(spec, key.get(), ca_.get(), ca_key_.get());
  if (!certificate) return fail(certificate.error());
  return KeyPair{.certificate_pem = to_pem(certificate->get()), .key_pem = to_pem(key.get())};
}

Result<Pki::KeyPair> Pki::issue_to(std::string_view name, CertificateSpec spec, Duration ttl) {
  auto pair = issue(std::move(spec), ttl);
  if (!pair) return pair;
  // One file, so that a crash cannot leave a certificate beside another's key.
  auto written = write_file(file(std::string(name) + ".pem"), pair->certificate_pem + pair->key_pem, 0600);
  if (!written) return fail(written.error());
  return pair;
}

Result<Pki::KeyPair> Pki::load_pair(std::string_view name) const {
  auto pem = read_file(file(std::string(name) + ".pem"));
  if (!pem) return fail(pem.error());
  auto certificate = parse_certificate(*pem);
  if (!certificate) return fail(certificate.error());
  auto key = parse_key(*pem);
  if (!key) return fail(key.error());
  return KeyPair{.certificate_pem = to_pem(certificate->get()), .key_pem = to_pem(key->get())};
}

// Still good for a while, and signed by the authority we have now.
bool Pki::lasts(const X509* certificate) const {
  const bool ours = X509_verify(const_cast<X509*>(certificate), ca_key_.get()) == 1;
  ERR_clear_error();
  return ours && not_after(certificate) - clock_.wall() > kRenewBefore;
}

Result<Pki::KeyPair> Pki::server_certificate(std::vector<std::string> dns_names,
                                             std::vector<std::string> addresses) {
  std::vector<std::string> wanted = dns_names;
  wanted.insert(wanted.end(), addresses.begin(), addresses.end());
  std::ranges::sort(wanted);
  if (auto pair = load_pair("server")) {
    auto certificate = parse_certificate(pair->certificate_pem);
    if (certificate && lasts(certificate->get()) && alternative_names(certificate->get()) == wanted)
      return pair;
  }
  return issue_to("server",
                  {.common_name = "ingot",
                   .dns_names = std::move(dns_names),
                   .addresses = std::move(addresses),
                   .use = CertificateSpec::Use::Server},
                  kCertificateLife);
}

Result<Pki::KeyPair> Pki::operator_certificate() {
  if (auto pair = load_pair("operator")) {
    auto certificate = parse_certificate(pair->certificate_pem);
    if (certificate && lasts(certificate->get())) return pair;
  }
  return issue_to(
      "operator",
      {.common_name = "operator", .unit = kRootCluster.value, .organizations = {"ingot:operators"}},
      kCertificateLife);
}

std::string kubeconfig(const KubeconfigSpec& spec) {
  const auto quoted = [](const std::string& text) { return api::to_text(api::Json(text)); };
  return fmt::format(R"(apiVersion: v1
kind: Config
clusters:
- name: {cluster}
  cluster:
    server: {server}
    certificate-authority-data: {ca}
users:
- name: {user}
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: {cluster}
  context:
    cluster: {cluster}
    user: {user}
current-context: {cluster}
)",
                     fmt::arg("cluster", quoted(spec.cluster)), fmt::arg("server", quoted(spec.server)),
                     fmt::arg("user", quoted(spec.user)), fmt::arg("ca", base64(spec.ca_pem)),
                     fmt::arg("certificate", base64(spec.certificate_pem)),
                     fmt::arg("key", base64(spec.key_pem)));
}

}  // namespace ingot::host
