#include "host/tls.h"

#include "host/certificate.h"

namespace ingot::host {
namespace {

constexpr unsigned char kProtocols[] = "\x08http/1.1";
constexpr long kMaxPeerChain = 32 * 1024;

int choose_protocol(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered,
                    unsigned offered_size, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, size, kProtocols, sizeof kProtocols - 1, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// Lets the handshake go on; SSL_get_verify_result keeps what was wrong.
int note_only(int, X509_STORE_CTX*) { return 1; }

Result<void> use_pair(SSL_CTX* context, const std::string& certificate_pem, const std::string& key_pem) {
  auto certificate = parse_certificate(certificate_pem);
  if (!certificate) return fail(certificate.error());
  auto key = parse_key(key_pem);
  if (!key) return fail(key.error());
  if (SSL_CTX_use_certificate(context, certificate->get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, key->get()) != 1 || SSL_CTX_check_private_key(context) != 1)
    return fail(Reason::InternalError, "certificate and key do not belong together: " + openssl_error());
  return {};
}

Result<void> trust(SSL_CTX* context, const std::string& ca_pem) {
  auto ca = parse_certificate(ca_pem);
  if (!ca) return fail(ca.error());
  if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca->get()) != 1)
    return fail(Reason::InternalError, "cannot trust the authority: " + openssl_error());
  return {};
}

SslContextPtr new_context(const SSL_METHOD* method) {
  SslContextPtr context(SSL_CTX_new(method), SSL_CTX_free);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}

}  // namespace

Result<SslContextPtr> make_server_context(const TlsServerSpec& spec) {
  SslContextPtr context = new_context(TLS_server_method());
  SSL_CTX* raw = context.get();
  SSL_CTX_set_options(
      raw, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(raw, 0);
  SSL_CTX_set_read_ahead(raw, 1);  // one read(2) a burst instead of two a record
  SSL_CTX_set_max_cert_list(raw, kMaxPeerChain);
  SSL_CTX_set_alpn_select_cb(raw, choose_protocol, nullptr);
  if (auto used = use_pair(raw, spec.certificate_pem, spec.key_pem); !used) return fail(used.error());
  if (auto trusted = trust(raw, spec.client_ca_pem); !trusted) return fail(trusted.error());
  auto ca = parse_certificate(spec.client_ca_pem);
  SSL_CTX_add_client_CA(raw, ca->get());
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, note_only);
  return context;
}

Result<SslContextPtr> make_client_context(const TlsClientSpec& spec) {
  SslContextPtr context = new_context(TLS_client_method());
  SSL_CTX_set_alpn_protos(context.get(), kProtocols, sizeof kProtocols - 1);
  if (auto trusted = trust(context.get(), spec.ca_pem); !trusted) return fail(trusted.error());
  if (!spec.certificate_pem.empty()) {
    if (auto used = use_pair(context.get(), spec.certificate_pem, spec.key_pem); !used)
      return fail(used.error());
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return context;
}

std::optional<VerifiedPeer> verified_peer(SSL* ssl) {
  X509* certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr || SSL_get_verify_result(ssl) != X509_V_OK) return std::nullopt;
  return VerifiedPeer{subject(certificate), not_after(certificate)};
}

}  // namespace ingot::host
