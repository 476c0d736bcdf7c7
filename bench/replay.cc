// ingot-replay: sends recorded requests again and again, from CONNECTIONS connections at once, each sending its next when the last
// was answered. Speaks HTTP, or HTTPS with a client certificate.
//
//   ingot-replay --port 5000 --path /api/2.0/mlflow/runs/log-batch --bodies FILE --runs FILE --connections 8 --seconds 10
//                [--ca ca.pem --cert c.pem --key k.pem]
//
// BODIES: one JSON body a line, in which RUN_ID stands for the connection's own line of RUNS. A step (STEP) grows with each
// request. Prints {requests, errors, seconds, per_s, p50_ms, p99_ms}.
#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include "https.h"

namespace {

using bench::die;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string host = "127.0.0.1", path, bodies, runs, ca, cert, key;
  int port = 0, connections = 8;
  double seconds = 10;
};

std::vector<std::string> lines(const std::string& file) {
  std::ifstream in(file);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) out.push_back(line);
  if (out.empty()) die(file + " is empty");
  return out;
}

void fill_in(std::string& text, std::string_view name, const std::string& value) {
  for (size_t at = text.find(name); at != text.npos; at = text.find(name, at + value.size()))
    text.replace(at, name.size(), value);
}

// One blocking connection.
class Peer {
 public:
  Peer(const Options& o, SSL_CTX* context) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(uint16_t(o.port));
    inet_pton(AF_INET, o.host.c_str(), &to.sin_addr);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
      die("cannot connect: " + std::string(std::strerror(errno)));
    const int one = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (!context) return;
    ssl_ = SSL_new(context);
    SSL_set_fd(ssl_, fd_);
    if (SSL_connect(ssl_) != 1) die("TLS handshake failed");
  }
  ~Peer() {
    if (ssl_) SSL_free(ssl_);
    ::close(fd_);
  }

  // The status code; 0 when the peer hung up.
  int ask(const std::string& request) {
    for (size_t sent = 0; sent < request.size();) {
      const auto n = ssl_ ? SSL_write(ssl_, request.data() + sent, int(request.size() - sent))
                          : ::send(fd_, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return 0;
      sent += size_t(n);
    }
    std::string answer;
    char block[16 * 1024];
    while (true) {
      const size_t head = answer.find("\r\n\r\n");
      if (head != answer.npos && answer.size() >= head + 4 + body_bytes(answer.substr(0, head)))
        return std::atoi(answer.c_str() + 9);
      const auto n = ssl_ ? SSL_read(ssl_, block, sizeof block) : ::recv(fd_, block, sizeof block, 0);
      if (n <= 0) return 0;
      answer.append(block, size_t(n));
    }
  }

 private:
  static size_t body_bytes(std::string head) {
    for (char& c : head) c = char(std::tolower(c));
    const size_t at = head.find("content-length:");
    return at == head.npos ? 0 : size_t(std::atoll(head.c_str() + at + 15));
  }
  int fd_;
  SSL* ssl_ = nullptr;
};

struct Outcome {
  uint64_t requests = 0, errors = 0;
  std::vector<float> latencies;
};

Outcome drive(const Options& o, SSL_CTX* context, const std::vector<std::string>& bodies,
              const std::string& run, Clock::time_point until) {
  Outcome outcome;
  auto peer = std::make_unique<Peer>(o, context);
  for (uint64_t i = 0; Clock::now() < until; ++i) {
    std::string body = bodies[i % bodies.size()];
    fill_in(body, "RUN_ID", run);
    fill_in(body, "STEP", std::to_string(i));
    const std::string request =
        "POST " + o.path + " HTTP/1.1\r\nHost: " + o.host +
        "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
        body;
    const auto began = Clock::now();
    const int code = peer->ask(request);
    outcome.latencies.push_back(
        float(std::chrono::duration<double, std::milli>(Clock::now() - began).count()));
    ++outcome.requests;
    if (code != 200) ++outcome.errors;
    if (code == 0) peer = std::make_unique<Peer>(o, context);
  }
  return outcome;
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app{"Replays recorded requests."};
  app.add_option("--host", o.host);
  app.add_option("--port", o.port)->required();
  app.add_option("--path", o.path)->required();
  app.add_option("--bodies", o.bodies)->required();
  app.add_option("--runs", o.runs)->required();
  app.add_option("--connections", o.connections);
  app.add_option("--seconds", o.seconds);
  app.add_option("--ca", o.ca);
  app.add_option("--cert", o.cert);
  app.add_option("--key", o.key);
  CLI11_PARSE(app, argc, argv);
  const auto bodies = lines(o.bodies), runs = lines(o.runs);
  SSL_CTX* context = o.ca.empty() ? nullptr : bench::client_context(o.ca, o.cert, o.key);
  const auto began = Clock::now();
  const auto until =
      began + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(o.seconds));
  std::vector<Outcome> outcomes(size_t(o.connections), Outcome{});
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < outcomes.size(); ++i)
      threads.emplace_back([&, i] { outcomes[i] = drive(o, context, bodies, runs[i % runs.size()], until); });
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  Outcome all;
  for (Outcome& one : outcomes) {
    all.requests += one.requests, all.errors += one.errors;
    all.latencies.insert(all.latencies.end(), one.latencies.begin(), one.latencies.end());
  }
  std::ranges::sort(all.latencies);
  const auto at = [&](double share) {
    return all.latencies.empty() ? 0.f : all.latencies[size_t(share * double(all.latencies.size() - 1))];
  };
  std::printf(
      "{\"requests\": %llu, \"errors\": %llu, \"seconds\": %.2f, \"per_s\": %.1f, \"p50_ms\": %.2f, "
      "\"p99_ms\": %.2f}\n",
      (unsigned long long)all.requests, (unsigned long long)all.errors, seconds,
      double(all.requests) / seconds, at(0.5), at(0.99));
}
