// The factory's keys beneath DATA/pki: the authority that signs, the server's certificate, the operator's, and the key
// of ServiceAccount tokens. Private keys are 0600 and replaced atomically.
// Thread rule: open() and the renewals before the server runs or from one thread; the Authority part from any.
// Invariant: what is written is what is used; a key is never regenerated while its file is there.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apiserver/request.h"
#include "env/env.h"
#include "host/certificate.h"

namespace ingot::host {

class Pki final : public apiserver::Authority {
 public:
  // Reads `directory`, making what is missing. Errors name the file and what to do.
  static Result<std::unique_ptr<Pki>> open(std::string directory, const env::Clock&, env::Entropy&);

  std::string sign(const api::JsonObject& claims) override;
  Result<api::Json> verify(const std::string& token) override;
  Result<KeyPair> client_certificate(const apiserver::Identity&, Duration ttl) override;
  std::string ca_pem() const override { return ca_pem_; }

  // The server's pair, made anew when its names differ or less than 30 days are left.
  Result<KeyPair> server_certificate(std::vector<std::string> dns_names, std::vector<std::string> addresses);
  // The operator's: admin in every cluster. Renewed with less than 30 days left.
  Result<KeyPair> operator_certificate();

 private:
  Pki(std::string directory, const env::Clock& clock, env::Entropy& entropy)
      : directory_(std::move(directory)), clock_(clock), entropy_(entropy) {}
  std::string file(std::string_view name) const { return directory_ + "/" + std::string(name); }
  Result<PkeyPtr> load_or_make_key(std::string_view name);
  Result<void> load_or_make_authority();
  Result<KeyPair> load_pair(std::string_view name) const;
  Result<KeyPair> issue(CertificateSpec, Duration ttl);
  Result<KeyPair> issue_to(std::string_view name, CertificateSpec, Duration ttl);
  bool lasts(const X509*) const;

  const std::string directory_;
  const env::Clock& clock_;
  env::Entropy& entropy_;
  PkeyPtr ca_key_, token_key_;
  X509Ptr ca_;
  std::string ca_pem_, token_kid_;
};

// The text of a kubeconfig with everything inside it.
struct KubeconfigSpec {
  std::string server;  // "https://127.0.0.1:6443/clusters/vision"
  std::string cluster, user, ca_pem, certificate_pem, key_pem;
};
std::string kubeconfig(const KubeconfigSpec&);

}  // namespace ingot::host
