// A server on a loop of its own and clients of it, for the tests of http_server. Thread rule: the test's thread.
#pragma once

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <functional>

#include "host/http_server.h"
#include "host/https_client.h"
#include "host/pki.h"
#include "host/real_env.h"
#include "host/test_dir.h"

namespace ingot::host {

inline apiserver::Piece piece(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

// Answers on the loop with what the test says.
struct TestDoorBase : Door {
  struct Asked {
    apiserver::Request request;
    std::shared_ptr<HttpExchange> exchange;
  };
  std::function<void(const Asked&)> answer = [](const Asked& asked) {
    asked.exchange->reply({.body = {piece(asked.request.method + " " + asked.request.target + " " +
                                          std::to_string(asked.request.body.size()))}});
  };
  std::shared_ptr<void> prepare(apiserver::Request request) const override {
    return std::make_shared<apiserver::Request>(std::move(request));
  }
  void submit(std::shared_ptr<void> request, std::shared_ptr<HttpExchange> exchange) override {
    answer({std::move(*std::static_pointer_cast<apiserver::Request>(request)), std::move(exchange)});
  }
};

struct TestDoor final : TestDoorBase {};

// A raw TLS client: writes bytes, reads until what it waits for is there.
class RawClient {
 public:
  RawClient(uint16_t port, const TlsClientSpec& tls)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    const timeval limit{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    context_ = make_client_context(tls).value();
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), socket_.get());
    EXPECT_EQ(SSL_connect(ssl_.get()), 1) << openssl_error();
  }
  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const int n = SSL_write(ssl_.get(), bytes.data(), int(bytes.size()));
      if (n <= 0) return;
      bytes.remove_prefix(size_t(n));
    }
  }
  // Everything up to and with `mark`, or up to the end of the connection.
  std::string read_to(std::string_view mark) {
    char block[16 * 1024];
    while (text_.find(mark) == text_.npos) {
      const int n = SSL_read(ssl_.get(), block, sizeof block);
      if (n <= 0) return std::exchange(text_, "");
      text_.append(block, size_t(n));
    }
    const size_t end = text_.find(mark) + mark.size();
    std::string found = text_.substr(0, end);
    text_.erase(0, end);
    return found;
  }
  std::string read_all() { return read_to("\x01never"); }

 private:
  Fd socket_;
  SslContextPtr context_;
  SslPtr ssl_;
  std::string text_;
};

class HttpServerTest : public testing::Test {
 protected:
  void SetUp() override {
    pki_ = std::move(Pki::open(dir_.path() + "/pki", env_.clock, env_.entropy).value());
    start();
  }
  void start(HttpServerOptions options = {}) {
    server_ = nullptr;
    auto pair = pki_->server_certificate({"localhost"}, {"127.0.0.1"}).value();
    auto context = make_server_context({pair.certificate_pem, pair.key_pem, pki_->ca_pem()}).value();
    server_ = std::make_unique<HttpServer>(env_.clock, env_.loop, env_.log, *used_, context, options);
    port_ = server_->listen("127.0.0.1", 0).value();
    server_->start();
  }
  void TearDown() override {
    server_ = nullptr;
    env_.loop.stop();
  }
  TlsClientSpec trusting() { return {.ca_pem = pki_->ca_pem()}; }
  RawClient connect() { return RawClient(port_, trusting()); }
  std::unique_ptr<HttpsClient> client(TlsClientSpec tls) {
    return std::move(
        HttpsClient::make({.address = "127.0.0.1", .port = port_, .tls = std::move(tls)}).value());
  }

  TestDir dir_;
  RealEnv env_{env::Log::Level::Error};
  std::unique_ptr<Pki> pki_;
  TestDoor door_;
  TestDoorBase* used_ = &door_;
  std::unique_ptr<HttpServer> server_;
  uint16_t port_ = 0;
};

}  // namespace ingot::host
