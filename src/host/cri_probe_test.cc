#include "host/cri_probe.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <future>
#include <thread>

#include "host/disk_file.h"
#include "host/pki.h"
#include "host/real_env.h"
#include "host/test_dir.h"
#include "host/tls.h"

namespace ingot::host {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// A server of one connection: what it hears up to an empty line, and what it then says.
class Server {
 public:
  Server(std::string says, SSL_CTX* tls = nullptr) : says_(std::move(says)) {
    sockaddr_in at{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    EXPECT_EQ(::bind(listening_.get(), reinterpret_cast<sockaddr*>(&at), size), 0);
    EXPECT_EQ(::listen(listening_.get(), 4), 0);
    EXPECT_EQ(::getsockname(listening_.get(), reinterpret_cast<sockaddr*>(&at), &size), 0);
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this, tls] { serve(tls); });
  }
  ~Server() { end(); }
  int port() const { return port_; }
  std::string heard() {
    end();
    return heard_;
  }

 private:
  void end() {
    ::shutdown(listening_.get(), SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
  }
  void serve(SSL_CTX* tls) {
    const Fd socket(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) return;
    SslPtr ssl(tls ? SSL_new(tls) : nullptr);
    if (ssl && (SSL_set_fd(ssl.get(), socket.get()) != 1 || SSL_accept(ssl.get()) != 1)) return;
    char block[4096];
    while (heard_.find("\r\n\r\n") == heard_.npos) {
      const auto n = ssl ? ssize_t(SSL_read(ssl.get(), block, sizeof block))
                         : ::recv(socket.get(), block, sizeof block, 0);
      if (n <= 0) return;
      heard_.append(block, size_t(n));
    }
    if (says_.empty()) return void(::recv(socket.get(), block, 1, 0));  // until the other gives up
    if (ssl)
      SSL_write(ssl.get(), says_.data(), int(says_.size()));
    else
      (void)!::send(socket.get(), says_.data(), says_.size(), MSG_NOSIGNAL);
  }

  const std::string says_;
  std::string heard_;
  const Fd listening_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  int port_ = 0;
  std::thread thread_;
};

struct ProberTest : testing::Test {
  Result<int> ask(const std::string& scheme, int port, Duration timeout = 20s,
                  std::vector<std::pair<std::string, std::string>> headers = {}) {
    std::promise<Result<int>> answer;
    real.loop.post([&] {
      prober->probe({.ip = ip,
                     .scheme = scheme,
                     .path = "/ready",
                     .port = port,
                     .headers = headers,
                     .timeout = timeout},
                    [&](Result<int> result) { answer.set_value(std::move(result)); });
    });
    return answer.get_future().get();
  }
  ~ProberTest() override {
    real.loop.call([&] { prober.reset(); });
  }

  RealEnv real;
  std::string ip = "127.0.0.1";
  std::unique_ptr<Prober> prober = std::make_unique<Prober>(real.loop);
};

TEST_F(ProberTest, TellsTheStatusThatAServerGives) {
  for (const int status : {200, 404, 503}) {
    Server server("HTTP/1.1 " + std::to_string(status) + " Whatever\r\nContent-Length: 5\r\n\r\nhello");
    EXPECT_EQ(ask("http", server.port()).value(), status);
    EXPECT_THAT(server.heard(),
                HasSubstr("GET /ready HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port())));
    EXPECT_THAT(server.heard(), HasSubstr("User-Agent: kube-probe/"));
  }
}

TEST_F(ProberTest, ItsHeadersReplaceOurs) {
  Server server("HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(ask("http", server.port(), 20s, {{"host", "example.com"}, {"X-Custom", "1"}}).value(), 200);
  EXPECT_THAT(server.heard(), HasSubstr("host: example.com\r\nX-Custom: 1\r\n"));
  EXPECT_THAT(server.heard(), Not(HasSubstr("Host: ")));
}

TEST_F(ProberTest, AsksOverTlsWhateverTheCertificate) {
  TestDir directory;
  const auto pki = Pki::open(directory.path(), real.clock, real.entropy);
  ASSERT_TRUE(pki);
  const auto pair = (*pki)->server_certificate({"elsewhere.example"}, {});
  ASSERT_TRUE(pair);
  const auto tls = make_server_context({pair->certificate_pem, pair->key_pem, (*pki)->ca_pem()});
  ASSERT_TRUE(tls);
  Server server("HTTP/1.1 204 None\r\n\r\n", tls->get());
  EXPECT_EQ(ask("https", server.port()).value(), 204);
}

TEST_F(ProberTest, ATcpProbeOnlyConnects) {
  Server server("never");
  EXPECT_EQ(ask("tcp", server.port()).value(), 200);
}

TEST_F(ProberTest, SaysWhyThereIsNoAnswer) {
  int closed = 0;
  {
    Server server("x");
    closed = server.port();
  }
  const auto refused = ask("tcp", closed);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::ServiceUnavailable);
  EXPECT_THAT(refused.error().message, HasSubstr("refused"));
  for (const std::string says :
       {"SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n"}) {
    Server server(says);
    const auto odd = ask("http", server.port());
    ASSERT_FALSE(odd) << says;
    EXPECT_EQ(odd.error().reason, Reason::ServiceUnavailable) << odd.error().message;
  }
  Server endless("HTTP/1.1 200 OK\r\n" + std::string(100'000, 'x'));
  EXPECT_THAT(ask("http", endless.port()).error().message, HasSubstr("16 KiB"));
  ip = "not-an-address";
  EXPECT_EQ(ask("http", 80).error().reason, Reason::Invalid);
  ip = "127.0.0.1";
  EXPECT_EQ(ask("http", 70'000).error().reason, Reason::Invalid);
}

TEST_F(ProberTest, AServerThatIsSilentHoldsUpNoOther) {
  Server silent(""), good("HTTP/1.1 200 OK\r\n\r\n");
  auto late = std::async(std::launch::async, [&] { return ask("http", silent.port(), 500ms); });
  EXPECT_EQ(ask("http", good.port()).value(), 200);
  EXPECT_EQ(late.get().error().reason, Reason::Timeout);
}

TEST_F(ProberTest, NoCallbackRunsAfterItsEnd) {
  Server silent("");
  bool called = false;
  real.loop.call([&] {
    prober->probe(
        {.ip = ip, .scheme = "http", .path = "/", .port = silent.port(), .headers = {}, .timeout = 20s},
        [&](Result<int>) { called = true; });
    prober.reset();
  });
  real.loop.call([] {});
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace ingot::host
