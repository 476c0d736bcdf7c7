#include "host/worker_line.h"

#include <arpa/inet.h>
#include <sys/socket.h>

namespace ingot::host {
namespace {

constexpr const char* kTrusted = "/etc/ssl/certs/ca-certificates.crt";

bool expect(SSL* ssl, const std::string& host) {
  in6_addr ignored{};
  if (::inet_pton(AF_INET, host.c_str(), &ignored) == 1 || ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1)
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1;
  return SSL_set1_host(ssl, host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
}

}  // namespace

SslContextPtr read_trust(const std::string& more) {
  SslContextPtr context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_load_verify_locations(context.get(), kTrusted, nullptr);
  const BioPtr pem(BIO_new_mem_buf(more.data(), int(more.size())));
  while (X509Ptr authority{PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr)})
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), authority.get());
  ERR_clear_error();
  return context;
}

std::expected<WorkerLine, std::string> WorkerLine::open(Fd socket, SSL_CTX* trust, const std::string& host) {
  SslPtr ssl;
  if (trust) {
    ssl.reset(SSL_new(trust));
    if (!ssl || !expect(ssl.get(), host) || SSL_set_fd(ssl.get(), socket.get()) != 1 ||
        SSL_connect(ssl.get()) != 1) {
      const long verified = ssl ? SSL_get_verify_result(ssl.get()) : X509_V_OK;
      return std::unexpected(
          "no trusted connection to " + host + ": " +
          (verified == X509_V_OK ? openssl_error() : std::string(X509_verify_cert_error_string(verified))));
    }
  }
  return WorkerLine(std::move(socket), std::move(ssl));
}

bool WorkerLine::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto n = ssl_ ? ssize_t(SSL_write(ssl_.get(), bytes.data(), int(bytes.size())))
                        : ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(size_t(n));
  }
  return true;
}

ssize_t WorkerLine::read(char* bytes, size_t size) {
  return ssl_ ? ssize_t(SSL_read(ssl_.get(), bytes, int(size))) : ::recv(socket_.get(), bytes, size, 0);
}

}  // namespace ingot::host
