#include "host/https_client.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <yaml-cpp/yaml.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/encoding.h"

namespace ingot::host {
namespace http = boost::beast::http;

namespace {

constexpr int64_t kAskFirst = 256 * 1024;      // bodies larger than this are sent once they are wanted
constexpr uint64_t kLongestAnswer = 1u << 30;  // a list of 10,000 tenants and more

// OpenSSL writes without MSG_NOSIGNAL: a server that goes away in the middle is an error to be told, not this program's end.
class NoBrokenPipe {
 public:
  NoBrokenPipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoBrokenPipe() {
    const timespec now{};
    while (sigtimedwait(&pipe_, nullptr, &now) > 0) continue;
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoBrokenPipe(const NoBrokenPipe&) = delete;

 private:
  sigset_t pipe_, before_;
};

using AddressPtr = std::unique_ptr<addrinfo, Deleter<freeaddrinfo>>;

Result<void> split_server(std::string_view server, Endpoint& endpoint) {
  const auto refuse = [&] {
    return fail(Reason::Invalid, fmt::format("server \"{}\" is not https://ADDRESS:PORT/…", server));
  };
  constexpr std::string_view kScheme = "https://";
  if (!server.starts_with(kScheme)) return refuse();
  std::string_view rest = server.substr(kScheme.size());
  const size_t slash = std::min(rest.find('/'), rest.size());
  endpoint.base_path = rest.substr(slash);
  rest = rest.substr(0, slash);
  const size_t colon = rest.rfind(':');
  const bool no_port = colon == rest.npos || rest.ends_with(']');
  const std::string_view port = no_port ? "443" : rest.substr(colon + 1);
  if (std::from_chars(port.data(), port.data() + port.size(), endpoint.port).ec != std::errc())
    return refuse();
  std::string_view host = no_port ? rest : rest.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  endpoint.address = host;
  return {};
}

std::string decoded(const YAML::Node& node) {
  return node.IsDefined() ? parse_base64(node.as<std::string>()).value_or("") : "";
}

// The one of a list that is called so.
Result<YAML::Node> named(const YAML::Node& config, const char* list, const char* what,
                         const std::string& name) {
  for (const YAML::Node& one : config[list])
    if (one["name"] && one["name"].as<std::string>() == name && one[what]) return one[what];
  return fail(Reason::Invalid, fmt::format("it has no {} \"{}\"", what, name));
}

Result<Endpoint> read_kubeconfig(const YAML::Node& config) {
  Endpoint endpoint;
  if (!config["current-context"]) return fail(Reason::Invalid, "it has no current-context");
  const auto context = named(config, "contexts", "context", config["current-context"].as<std::string>());
  if (!context) return fail(context.error());
  const auto found = named(config, "clusters", "cluster", (*context)["cluster"].as<std::string>());
  if (!found) return fail(found.error());
  const auto who = named(config, "users", "user", (*context)["user"].as<std::string>());
  if (!who) return fail(who.error());
  const YAML::Node &cluster = *found, &user = *who;
  if (auto split = split_server(cluster["server"].as<std::string>(), endpoint); !split)
    return fail(split.error());
  endpoint.tls = {.ca_pem = decoded(cluster["certificate-authority-data"]),
                  .certificate_pem = decoded(user["client-certificate-data"]),
                  .key_pem = decoded(user["client-key-data"])};
  if (user["token"]) endpoint.token = user["token"].as<std::string>();
  if (endpoint.tls.ca_pem.empty())
    return fail(Reason::Invalid, "its cluster has no certificate-authority-data");
  if (endpoint.tls.certificate_pem.empty() && endpoint.token.empty())
    return fail(Reason::Invalid, "its user has neither client-certificate-data nor a token");
  return endpoint;
}

// Gives the whole lines at the front of `text` away; false once one of them was the last wanted.
bool take_lines(std::string& text, const std::function<bool(std::string_view)>& line) {
  size_t at = 0;
  for (size_t end; (end = text.find('\n', at)) != text.npos; at = end + 1)
    if (!line(std::string_view(text).substr(at, end - at))) return false;
  text.erase(0, at);
  return true;
}

}  // namespace

Result<Endpoint> parse_kubeconfig(const std::string& yaml) {
  try {
    return read_kubeconfig(YAML::Load(yaml));
  } catch (const YAML::Exception& e) {
    return fail(Reason::Invalid, fmt::format("it is no kubeconfig: {}", e.what()));
  }
}

Result<std::unique_ptr<HttpsClient>> HttpsClient::make(Endpoint endpoint, Duration timeout) {
  auto context = make_client_context(endpoint.tls);
  if (!context) return fail(context.error());
  return std::unique_ptr<HttpsClient>(new HttpsClient(std::move(endpoint), std::move(*context), timeout));
}

Result<void> HttpsClient::connect() {
  const std::string place = fmt::format("{}:{}", endpoint_.address, endpoint_.port);
  const addrinfo hints{.ai_socktype = SOCK_STREAM};
  addrinfo* list = nullptr;
  if (::getaddrinfo(endpoint_.address.c_str(), std::to_string(endpoint_.port).c_str(), &hints, &list) != 0)
    return fail(Reason::ServiceUnavailable, "cannot resolve " + place);
  AddressPtr found(list);
  socket_ = Fd(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout_);
  const timeval limit{.tv_sec = seconds.count(), .tv_usec = 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(socket_.get(), found->ai_addr, found->ai_addrlen) != 0)
    return fail(Reason::ServiceUnavailable, fmt::format("cannot reach {}: {}", place, strerror(errno)));
  ssl_.reset(SSL_new(context_.get()));
  in6_addr literal{};
  const bool is_address = inet_pton(AF_INET, endpoint_.address.c_str(), &literal) == 1 ||
                          inet_pton(AF_INET6, endpoint_.address.c_str(), &literal) == 1;
  if (is_address)
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), endpoint_.address.c_str());
  else
    SSL_set1_host(ssl_.get(), endpoint_.address.c_str());
  SSL_set_fd(ssl_.get(), socket_.get());
  if (SSL_connect(ssl_.get()) == 1) return {};
  const long verdict = SSL_get_verify_result(ssl_.get());
  const std::string why = verdict == X509_V_OK ? openssl_error() : X509_verify_cert_error_string(verdict);
  ssl_ = nullptr;
  return fail(Reason::ServiceUnavailable, fmt::format("no TLS connection to {}: {}", place, why));
}

std::string HttpsClient::Response::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (boost::beast::iequals({key.data(), key.size()}, {name.data(), name.size()})) return value;
  return "";
}

Result<void> HttpsClient::write(std::string_view bytes) {
  const NoBrokenPipe quiet;
  for (size_t at = 0; at < bytes.size();) {
    const int n = SSL_write(ssl_.get(), bytes.data() + at, int(bytes.size() - at));
    if (n <= 0) return fail(Reason::ServiceUnavailable, "the server closed the connection");
    at += size_t(n);
  }
  return {};
}

Result<HttpsClient::Response> HttpsClient::receive(bool& keep, const Drain& drain) {
  const NoBrokenPipe quiet;  // what breaks off is answered with an alert
  http::response_parser<http::string_body> parser;
  if (drain)
    parser.body_limit(boost::none);
  else
    parser.body_limit(kLongestAnswer);
  parser.eager(true);
  std::string input;
  char block[16 * 1024];
  while (!parser.is_done()) {
    const int n = SSL_read(ssl_.get(), block, sizeof block);
    if (n <= 0) return fail(Reason::ServiceUnavailable, "the server gave no answer");
    input.append(block, size_t(n));
    size_t used = 0;
    while (used < input.size() && !parser.is_done()) {
      boost::beast::error_code ec;
      const size_t taken =
          parser.put(boost::asio::const_buffer(input.data() + used, input.size() - used), ec);
      used += taken;
      if (ec == http::error::need_more || (!ec && taken == 0)) break;
      if (ec) return fail(Reason::ServiceUnavailable, "the server's answer is not HTTP: " + ec.message());
    }
    input.erase(0, used);
    if (drain && parser.is_header_done() && parser.get().result_int() == 200 && !drain(parser.get().body()))
      return Response{.code = 200};
  }
  keep = parser.keep_alive();
  Response response{.code = int(parser.get().result_int()), .body = std::move(parser.get().body())};
  for (const auto& field : parser.get()) response.headers.emplace_back(field.name_string(), field.value());
  return response;
}

std::string HttpsClient::head(const std::string& method, const std::string& path,
                              const std::string& more) const {
  return fmt::format(
      "{} {} HTTP/1.1\r\nHost: {}:{}\r\nUser-Agent: ingot\r\nAccept: application/json\r\n{}{}\r\n", method,
      path, endpoint_.address, endpoint_.port,
      endpoint_.token.empty() ? "" : fmt::format("Authorization: Bearer {}\r\n", endpoint_.token), more);
}

Result<void> HttpsClient::watch(const std::string& path, const Line& line) {
  if (auto connected = connect(); !connected) return connected;
  if (auto sent = write(head("GET", path, "")); !sent) return sent;
  bool keep = false;
  auto response = receive(keep, [&](std::string& body) { return take_lines(body, line); });
  ssl_ = nullptr;
  if (!response) return fail(response.error());
  if (response->code != 200) return fail(Reason::ServiceUnavailable, response->body);
  return {};
}

Result<HttpsClient::Response> HttpsClient::request(const std::string& method, const std::string& path,
                                                   const std::string& body, const std::string& content_type) {
  const std::string bytes =
      head(method, path,
           fmt::format("{}Content-Length: {}\r\n",
                       body.empty() ? "" : fmt::format("Content-Type: {}\r\n", content_type), body.size())) +
      body;
  // An idle connection may have been closed by the server: once more on a fresh one.
  for (bool fresh = !ssl_;; fresh = true) {
    if (fresh) {
      if (auto connected = connect(); !connected) return fail(connected.error());
    }
    const auto sent = write(bytes);
    bool keep = false;
    auto response = sent ? receive(keep) : Result<Response>(std::unexpected(sent.error()));
    if (!keep) ssl_ = nullptr;
    if (response || fresh) return response;
  }
}

// A connection that the server has not given up: what cannot be said twice is not said on one that was idle for long.
Result<void> HttpsClient::stand() {
  constexpr auto kFresh = std::chrono::seconds(30);
  const auto now = std::chrono::steady_clock::now();
  if (ssl_ && now - used_ > kFresh) ssl_ = nullptr;
  used_ = now;
  return ssl_ ? Result<void>{} : connect();
}

// One try on a connection that is there.
Result<HttpsClient::Response> HttpsClient::send_on(const std::string& head, int64_t size, const Next& next,
                                                   bool& keep) {
  if (auto sent = write(head); !sent) return fail(sent.error());
  if (size > kAskFirst) {
    auto wanted = receive(keep);
    if (!wanted || wanted->code != 100) return keep = false, wanted;
  }
  for (int64_t left = size; left > 0;) {
    auto piece = next();
    if (!piece) return keep = false, fail(piece.error());
    if (piece->empty() || int64_t(piece->size()) > left)
      return keep = false, fail(Reason::Conflict, "what is sent changed meanwhile");
    left -= int64_t(piece->size());
    if (auto sent = write(*piece); !sent) return keep = false, fail(sent.error());
  }
  return receive(keep);
}

Result<HttpsClient::Response> HttpsClient::send(const std::string& method, const std::string& path,
                                                int64_t size, const Next& next) {
  const std::string first =
      head(method, path,
           fmt::format("Content-Type: application/octet-stream\r\nContent-Length: {}\r\n{}", size,
                       size > kAskFirst ? "Expect: 100-continue\r\n" : ""));
  if (auto ready = stand(); !ready) return fail(ready.error());
  bool keep = false;
  auto response = send_on(first, size, next, keep);
  if (!keep) ssl_ = nullptr;
  return response;
}

Result<HttpsClient::Response> HttpsClient::fetch(const std::string& path, const Take& take) {
  if (auto ready = stand(); !ready) return fail(ready.error());
  if (auto sent = write(head("GET", path, "")); !sent) return ssl_ = nullptr, fail(sent.error());
  Result<void> taken;
  bool keep = false;
  auto response = receive(keep, [&](std::string& body) {
    if (!body.empty()) taken = take(body);
    body.clear();
    return taken.has_value();
  });
  if (!keep || !taken) ssl_ = nullptr;
  if (!taken) return fail(taken.error());
  return response;
}

}  // namespace ingot::host
