#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "host/http_testing.h"

namespace ingot::host {
namespace {

using testing::HasSubstr;

TEST_F(HttpServerTest, AnswersRequestAfterRequestOnOneConnection) {
  auto https = client(trusting());
  for (int i = 0; i < 3; ++i) {
    auto response = https->request("POST", "/a?b=" + std::to_string(i), "12345");
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->code, 200);
    EXPECT_EQ(response->body, "POST /a?b=" + std::to_string(i) + " 5");
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  RawClient raw = connect();
  std::string all;
  for (int i = 0; i < 50; ++i) all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  raw.write(all);
  // Ends with the body: " 0" alone would also end within the date of an early hour.
  for (int i = 0; i < 50; ++i) {
    const std::string body = "GET /" + std::to_string(i) + " 0";
    EXPECT_THAT(raw.read_to(body), HasSubstr("\r\n\r\n" + body));
  }
}

TEST_F(HttpServerTest, TakesARequestByteByByte) {
  RawClient raw = connect();
  for (const char c : std::string_view("PUT /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"))
    raw.write({&c, 1});
  EXPECT_THAT(raw.read_to("/slow 3"), HasSubstr("200 OK"));
}

TEST_F(HttpServerTest, TakesAChunkedBody) {
  RawClient raw = connect();
  raw.write(
      "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
  EXPECT_THAT(raw.read_to("/c 7"), HasSubstr("200 OK"));
}

TEST_F(HttpServerTest, SaysContinueBeforeABody) {
  RawClient raw = connect();
  raw.write("POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(raw.read_to("\r\n\r\n"), HasSubstr("100 Continue"));
  raw.write("ab");
  EXPECT_THAT(raw.read_to("/c 2"), HasSubstr("200 OK"));
}

TEST_F(HttpServerTest, RefusesAnOversizedBodyWithoutReadingIt) {
  RawClient raw = connect();
  raw.write("POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: 3145729\r\n\r\n");
  const std::string answer = raw.read_all();
  EXPECT_THAT(answer, HasSubstr("413 Request Entity Too Large"));
  EXPECT_THAT(answer, HasSubstr(R"("reason":"RequestEntityTooLarge")"));
  EXPECT_THAT(answer, HasSubstr("limit is 3145728"));
}

TEST_F(HttpServerTest, RefusesAnOversizedChunkedBody) {
  RawClient raw = connect();
  raw.write("POST /big HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  for (int i = 0; i < 60; ++i) raw.write(chunk);
  EXPECT_THAT(raw.read_all(), HasSubstr("413 Request Entity Too Large"));
}

TEST_F(HttpServerTest, TakesTheLargestBody) {
  auto response = client(trusting())->request("POST", "/", std::string(3u << 20, 'x'));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "POST / 3145728");
}

TEST_F(HttpServerTest, AnswersWhatIsNotHttpWithAStatus) {
  RawClient raw = connect();
  raw.write("NONSENSE\r\n\r\n");
  const std::string answer = raw.read_all();
  EXPECT_THAT(answer, HasSubstr("400 Bad Request"));
  EXPECT_THAT(answer, HasSubstr(R"("kind":"Status")"));
}

TEST_F(HttpServerTest, BoundsTheHeader) {
  RawClient raw = connect();
  raw.write("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n");
  EXPECT_THAT(raw.read_all(), HasSubstr("request header too large"));
}

TEST_F(HttpServerTest, RefusesToPretendImpersonation) {
  RawClient raw = connect();
  raw.write("GET / HTTP/1.1\r\nHost: a\r\nImpersonate-User: bob\r\n\r\n");
  EXPECT_THAT(raw.read_all(), HasSubstr("impersonation is not supported"));
}

TEST_F(HttpServerTest, RefusesTwoAuthorizations) {
  RawClient raw = connect();
  raw.write("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n");
  EXPECT_THAT(raw.read_all(), HasSubstr("more than one Authorization header"));
}

TEST_F(HttpServerTest, TellsPlainHttpWhatItIs) {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port_), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  ASSERT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  ASSERT_GT(::send(socket.get(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27, 0), 0);
  char text[512] = "";
  const ssize_t n = ::recv(socket.get(), text, sizeof text, MSG_WAITALL);
  EXPECT_THAT(std::string(text, size_t(std::max<ssize_t>(n, 0))), HasSubstr("This is an HTTPS server"));
}

TEST_F(HttpServerTest, CutsOffAClientThatNeverFinishesItsRequest) {
  start({.limits = {.header = std::chrono::milliseconds(200)}});
  RawClient raw = connect();
  raw.write("GET / HTTP/1.1\r\nHos");
  EXPECT_EQ(raw.read_all(), "");
}

TEST_F(HttpServerTest, CutsOffAClientThatNeverShakesHands) {
  start({.limits = {.handshake = std::chrono::milliseconds(200)}});
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port_), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  ASSERT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  char byte;
  EXPECT_LE(::recv(socket.get(), &byte, 1, 0), 0);
}

TEST_F(HttpServerTest, SaysSoWhenNoAnswerCame) {
  std::shared_ptr<HttpExchange> kept;
  door_.answer = [&](const TestDoor::Asked& asked) { kept = asked.exchange; };
  start({.limits = {.answer = std::chrono::milliseconds(200)}});
  RawClient raw = connect();
  raw.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(raw.read_all(), HasSubstr("504 Gateway Timeout"));
  env_.loop.call([&] {
    kept->reply({});  // too late: goes nowhere
    kept = nullptr;
  });
}

TEST_F(HttpServerTest, LimitsConnections) {
  start({.limits = {.connections = 1}});
  RawClient first = connect();
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port_), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  ASSERT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  char byte;
  EXPECT_LE(::recv(socket.get(), &byte, 1, 0), 0);
  first.write("GET /still HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(first.read_to("/still 0"), HasSubstr("200 OK"));
}

TEST_F(HttpServerTest, StreamsInChunksAndGoesOn) {
  door_.answer = [](const TestDoor::Asked& asked) {
    asked.exchange->begin({});
    EXPECT_TRUE(asked.exchange->write(piece("one\n")));
    EXPECT_TRUE(asked.exchange->write(piece("two\n")));
    asked.exchange->end();
  };
  RawClient raw = connect();
  for (int i = 0; i < 2; ++i) {
    raw.write("GET /w HTTP/1.1\r\nHost: a\r\n\r\n");
    const std::string answer = raw.read_to("0\r\n\r\n");
    EXPECT_THAT(answer, HasSubstr("Transfer-Encoding: chunked"));
    EXPECT_THAT(answer, HasSubstr("one\n"));
    EXPECT_THAT(answer, HasSubstr("two\n"));
  }
}

TEST_F(HttpServerTest, CutsOffAWatcherThatDoesNotRead) {
  std::promise<size_t> refused;
  door_.answer = [&](const TestDoor::Asked& asked) {
    asked.exchange->begin({});
    size_t written = 0;
    while (asked.exchange->write(piece(std::string(64 * 1024, 'e')))) written += 64 * 1024;
    refused.set_value(written);
  };
  start({.limits = {.stream_bytes = 1u << 20}});
  RawClient raw = connect();
  raw.write("GET /w HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_GE(refused.get_future().get(), (1u << 20) - 64 * 1024);
  const std::string got = raw.read_all();
  EXPECT_THAT(got, testing::Not(HasSubstr("\r\n0\r\n\r\n"))) << "a cut stream must not look complete";
}

TEST_F(HttpServerTest, TellsAStreamThatItsPeerLeft) {
  std::promise<void> closed;
  door_.answer = [&](const TestDoor::Asked& asked) {
    asked.exchange->begin({});
    asked.exchange->write(piece("first\n"));
    asked.exchange->on_close([&closed, exchange = asked.exchange] {
      EXPECT_FALSE(exchange->write(piece("more")));
      closed.set_value();
    });
  };
  {
    RawClient raw = connect();
    raw.write("GET /w HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_THAT(raw.read_to("first\n"), HasSubstr("200 OK"));
  }
  closed.get_future().get();
}

TEST_F(HttpServerTest, PacesAWriterByItsReader) {
  constexpr int kPieces = 64;
  int written = 0;
  std::function<void(std::shared_ptr<HttpExchange>)> pump = [&](std::shared_ptr<HttpExchange> exchange) {
    if (written++ == kPieces) return exchange->end();
    EXPECT_TRUE(exchange->write(piece(std::string(256 * 1024, 'l'))));
    exchange->when_drained([&, exchange] { pump(exchange); });
  };
  door_.answer = [&](const TestDoor::Asked& asked) {
    asked.exchange->begin({});
    pump(asked.exchange);
  };
  start({.limits = {.stream_bytes = 512 * 1024}});
  auto response = client(trusting())->request("GET", "/log");
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body.size(), size_t(kPieces) * 256 * 1024);
}

TEST_F(HttpServerTest, SendsABodyOfManyPieces) {
  door_.answer = [](const TestDoor::Asked& asked) {
    apiserver::Reply reply;
    for (int i = 0; i < 5000; ++i) reply.body.push_back(piece(std::string(1000, char('a' + i % 26))));
    asked.exchange->reply(std::move(reply));
  };
  auto response = client(trusting())->request("GET", "/");
  ASSERT_TRUE(response) << response.error().message;
  ASSERT_EQ(response->body.size(), 5'000'000u);
  EXPECT_EQ(response->body.substr(1000, 1000), std::string(1000, 'b'));
}

TEST_F(HttpServerTest, AStreamOfKnownLengthSaysIt) {
  door_.answer = [](const TestDoor::Asked& asked) {
    asked.exchange->begin({.length = 8});
    asked.exchange->write(piece("1234"));
    if (asked.request.target == "/cut") return asked.exchange->cut();
    asked.exchange->write(piece("5678"));
    asked.exchange->end();
  };
  RawClient raw = connect();
  raw.write("GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /cut HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string answer = raw.read_to("12345678");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 8"));
  EXPECT_THAT(answer, testing::Not(HasSubstr("chunked")));
  EXPECT_THAT(raw.read_all(), testing::Not(HasSubstr("5678")));  // the connection breaks
}

TEST_F(HttpServerTest, HeadHasNoBody) {
  RawClient raw = connect();
  raw.write("HEAD /h HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string answer = raw.read_to("/next 0");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 9"));
  EXPECT_THAT(answer, testing::Not(HasSubstr("HEAD /h 0")));
}

// Who the caller is, by certificate.
class HttpIdentityTest : public HttpServerTest {
 protected:
  void SetUp() override {
    HttpServerTest::SetUp();
    door_.answer = [](const TestDoor::Asked& asked) {
      const auto& certificate = asked.request.certificate;
      std::string who = certificate ? certificate->common_name + "/" + certificate->unit : "anonymous";
      if (certificate)
        for (const std::string& group : certificate->organizations) who += "/" + group;
      asked.exchange->reply({.body = {piece(who)}});
    };
  }
  std::string who(const Pki::KeyPair& pair) {
    auto response = client({pki_->ca_pem(), pair.certificate_pem, pair.key_pem})->request("GET", "/");
    return response ? response->body : response.error().message;
  }
};

TEST_F(HttpIdentityTest, ReadsACertificateOfOurAuthority) {
  EXPECT_EQ(who(pki_->client_certificate({.name = "ann", .groups = {"g1", "g2"}, .home = ClusterId("c7")},
                                         std::chrono::hours(1))
                    .value()),
            "ann/c7/g1/g2");
}

TEST_F(HttpIdentityTest, ForeignCertificateIsNoCertificate) {
  auto other = std::move(Pki::open(dir_.path() + "/other", env_.clock, env_.entropy).value());
  EXPECT_EQ(who(other->operator_certificate().value()), "anonymous");
}

TEST_F(HttpIdentityTest, ServerCertificateIsNoClientCertificate) {
  EXPECT_EQ(who(pki_->server_certificate({"localhost"}, {"127.0.0.1"}).value()), "anonymous");
}

TEST_F(HttpIdentityTest, NoCertificateIsAnonymous) {
  auto response = client(trusting())->request("GET", "/");
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "anonymous");
}

// As a stopped and continued process sees it, or one under a debugger.
TEST_F(HttpServerTest, InterruptedThreadsGoOn) {
  struct sigaction nothing{}, before{};
  nothing.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGUSR2, &nothing, &before), 0);
  auto https = client(trusting());
  ASSERT_TRUE(https->request("GET", "/before"));
  int interrupted = 0;
  for (int round = 0; round < 20; ++round)
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
      std::string name;
      std::getline(std::ifstream(thread.path() / "comm"), name);
      if (name != "http") continue;
      ASSERT_EQ(syscall(SYS_tgkill, getpid(), std::stoi(thread.path().filename()), SIGUSR2), 0);
      ++interrupted;
      // It waits again before it is interrupted again.
      ASSERT_TRUE(https->request("GET", "/between"));
    }
  EXPECT_GT(interrupted, 0);
  auto response = https->request("GET", "/after");
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "GET /after 0");
  sigaction(SIGUSR2, &before, nullptr);
}

TEST_F(HttpServerTest, SecondListenerOnAPortIsOneClearError) {
  auto again = server_->listen("127.0.0.1", port_);
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().message, HasSubstr("is in use by another program"));
}

}  // namespace
}  // namespace ingot::host
