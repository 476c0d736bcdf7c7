// One request to a Git host, and whether it took it.
#include <sys/socket.h>

#include "git/report.h"
#include "host/git_connect.h"
#include "host/git_objects.h"
#include "host/openssl.h"

namespace ingot::host {

struct GitTrust {
  SslContextPtr context;
};
void GitTrustFree::operator()(GitTrust* trust) const { delete trust; }

namespace {

constexpr size_t kLongestHead = 8 * 1024;

// Bytes to and from, with TLS or without.
class Line {
 public:
  Line(Fd socket, SslPtr ssl) : socket_(std::move(socket)), ssl_(std::move(ssl)) {}
  bool write(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto n = ssl_ ? ssize_t(SSL_write(ssl_.get(), bytes.data(), int(bytes.size())))
                          : ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(size_t(n));
    }
    return true;
  }
  std::string read_head() {
    std::string head;
    char buffer[2048];
    while (head.size() < kLongestHead && head.find("\r\n") == head.npos) {
      const auto n = ssl_ ? ssize_t(SSL_read(ssl_.get(), buffer, sizeof buffer))
                          : ::recv(socket_.get(), buffer, sizeof buffer, 0);
      if (n <= 0) break;
      head.append(buffer, size_t(n));
    }
    return head.substr(0, head.find("\r\n"));
  }

 private:
  const Fd socket_;
  const SslPtr ssl_;
};

Result<SslPtr> greet(const GitTrust& trust, const std::string& host, int socket) {
  SslPtr ssl(SSL_new(trust.context.get()));
  if (!ssl || SSL_set1_host(ssl.get(), host.c_str()) != 1 ||
      SSL_set_tlsext_host_name(ssl.get(), host.c_str()) != 1 || SSL_set_fd(ssl.get(), socket) != 1 ||
      SSL_connect(ssl.get()) != 1)
    return fail(
        env::git_error(env::kGitRefused, "no trusted connection to " + host + ": " + openssl_error()));
  return ssl;
}

}  // namespace

std::unique_ptr<GitTrust, GitTrustFree> git_read_trust() {
  SslContextPtr context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_load_verify_locations(context.get(), "/etc/ssl/certs/ca-certificates.crt", nullptr);
  return std::unique_ptr<GitTrust, GitTrustFree>(new GitTrust{std::move(context)});
}

Result<void> git_report(const env::GitReport& report, const GitTrust& trust, int connections) {
  const auto call = git::report_call(report);
  if (!call) return fail(env::git_error(env::kGitRefused, call.error()));
  auto socket = ask_connection(connections, call->host, call->port);
  if (!socket) return fail(socket.error());
  SslPtr ssl;
  if (call->encrypted) {
    auto greeted = greet(trust, call->host, socket->get());
    if (!greeted) return fail(greeted.error());
    ssl = std::move(*greeted);
  }
  Line line(std::move(*socket), std::move(ssl));
  if (!line.write(call->request)) return fail(env::git_error(env::kGitUnreachable, call->host + " hung up"));
  const std::string head = line.read_head();
  if (head.size() < 12 || !head.starts_with("HTTP/1."))
    return fail(env::git_error(env::kGitBroken, call->host + " gave no answer of HTTP"));
  if (head[9] == '2') return {};
  const std::string code = head.substr(9, 3);
  const bool denied = code == "401" || code == "403" || code == "404";
  return fail(
      env::git_error(denied ? env::kGitDenied : env::kGitUnreachable,
                     call->host + " answered " + git_shown(code, 3) +
                         (denied ? ": may the token of spec.statusTokenRef write states of commits?" : "")));
}

}  // namespace ingot::host
