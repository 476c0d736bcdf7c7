// ingot-load: HTTPS load on a Kubernetes API from one thread, so that the server keeps the machine to itself.
//
//   ingot-load --host 127.0.0.1 --port 6443 --ca ca.pem --cert c.pem --key k.pem --path /clusters/x --seconds 10
//              --group create:64:0 --group get:16:5000
//
// A group is KIND:CONNECTIONS:RATE. KIND create: POST of unique 1 KiB ConfigMaps; get: GET of one ConfigMap that is
// created first. RATE 0: each connection sends its next request when the last was answered; RATE > 0: requests are due
// at that many a second whatever the answers, and latency counts from when a request was due.
// Prints one JSON array: {kind, rate, requests, errors, seconds, per_s, p50_ms, p90_ms, p99_ms, max_ms} a group.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string host = "127.0.0.1", ca, cert, key, path;
  int port = 6443, value_bytes = 1024;
  double seconds = 10;
  std::vector<std::string> groups;
};

struct Connection;

struct Group {
  std::string kind;
  int connections = 1;
  double rate = 0;
  std::deque<Clock::time_point> due;  // requests whose time has come and that no connection has taken
  std::deque<Connection*> free;       // the one that rested longest first, so that none looks abandoned
  Clock::time_point next_due;
  uint64_t sent = 0, errors = 0;
  int first_error_code = 0;
  std::vector<float> latencies_ms;
};

struct Connection {
  Group* group = nullptr;
  int fd = -1;
  SSL* ssl = nullptr;
  std::string out, in;
  size_t written = 0;
  bool busy = false;
  Clock::time_point due;
};

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "ingot-load: %s\n", what.c_str());
  std::exit(1);
}

class Load {
 public:
  explicit Load(Options options) : o_(std::move(options)), run_(std::to_string(getpid())) {
    value_.assign(size_t(o_.value_bytes), 'x');
    context_ = SSL_CTX_new(TLS_client_method());
    if (SSL_CTX_load_verify_locations(context_, o_.ca.c_str(), nullptr) != 1) die("cannot read " + o_.ca);
    if (SSL_CTX_use_certificate_chain_file(context_, o_.cert.c_str()) != 1) die("cannot read " + o_.cert);
    if (SSL_CTX_use_PrivateKey_file(context_, o_.key.c_str(), SSL_FILETYPE_PEM) != 1)
      die("cannot read " + o_.key);
    SSL_CTX_set_read_ahead(context_, 1);
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    for (const std::string& text : o_.groups) groups_.push_back(parse_group(text));
  }

  void run() {
    for (auto& group : groups_)
      for (int i = 0; i < group->connections; ++i) connect(*group);
    seed_object();
    const auto start = Clock::now(), end = start + std::chrono::duration_cast<Clock::duration>(
                                                       std::chrono::duration<double>(o_.seconds));
    for (auto& group : groups_) group->next_due = start;
    for (auto& c : connections_)
      if (c->group->rate == 0) send(*c, Clock::now());
    std::vector<epoll_event> events(256);
    while (Clock::now() < end) {
      pace();
      const timespec until = next_due();
      const int n = epoll_pwait2(epoll_, events.data(), int(events.size()), &until, nullptr);
      for (int i = 0; i < n; ++i) advance(*static_cast<Connection*>(events[size_t(i)].data.ptr));
    }
    print(std::chrono::duration<double>(Clock::now() - start).count());
  }

 private:
  static std::unique_ptr<Group> parse_group(const std::string& text) {
    auto group = std::make_unique<Group>();
    const size_t a = text.find(':'), b = text.find(':', a + 1);
    if (a == text.npos || b == text.npos) die("--group is KIND:CONNECTIONS:RATE, not " + text);
    group->kind = text.substr(0, a);
    group->connections = std::stoi(text.substr(a + 1, b - a - 1));
    group->rate = std::stod(text.substr(b + 1));
    if (group->kind != "create" && group->kind != "get") die("a group creates or gets, not " + group->kind);
    return group;
  }

  void connect(Group& group) {
    auto c = std::make_unique<Connection>();
    c->group = &group;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(uint16_t(o_.port));
    if (inet_pton(AF_INET, o_.host.c_str(), &to.sin_addr) != 1) die("not an IPv4 address: " + o_.host);
    if (::connect(c->fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
      die("cannot connect to " + o_.host + ": " + std::strerror(errno));
    const int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->ssl = SSL_new(context_);
    SSL_set_fd(c->ssl, c->fd);
    if (SSL_connect(c->ssl) != 1) die("TLS handshake failed");
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.ptr = c.get();
    epoll_ctl(epoll_, EPOLL_CTL_ADD, c->fd, &event);
    if (group.rate > 0) group.free.push_back(c.get());
    connections_.push_back(std::move(c));
  }

  std::string post(const std::string& name) const {
    const std::string body = R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name +
                             R"("},"data":{"value":")" + value_ + "\"}}";
    return "POST " + o_.path + "/api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: " + o_.host +
           "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  }
  std::string request(Group& group) {
    if (group.kind == "create") return post("load-" + run_ + "-" + std::to_string(group.sent));
    return "GET " + o_.path + "/api/v1/namespaces/default/configmaps/load-" + run_ +
           "-target HTTP/1.1\r\nHost: " + o_.host + "\r\n\r\n";
  }

  // The object that `get` groups read.
  void seed_object() {
    Group seed;
    Connection& c = *connections_.front();
    Group* own = c.group;
    c.group = &seed;
    c.out = post("load-" + run_ + "-target");
    c.busy = true;
    c.written = 0;
    while (c.busy) {
      epoll_event event{};
      advance(c);
      if (c.busy) epoll_wait(epoll_, &event, 1, 1);
    }
    if (seed.errors) die("the first create was answered with " + std::to_string(seed.first_error_code));
    c.group = own;
  }

  void send(Connection& c, Clock::time_point due) {
    c.out = request(*c.group);
    ++c.group->sent;
    c.written = 0;
    c.busy = true;
    c.due = due;
    advance(c);
  }

  // Open-loop groups: hands due requests to free connections.
  void pace() {
    const auto now = Clock::now();
    for (auto& group : groups_) {
      if (group->rate == 0) continue;
      const auto step =
          std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / group->rate));
      for (; group->next_due <= now; group->next_due += step) group->due.push_back(group->next_due);
      if (group->due.empty()) continue;
      while (!group->due.empty() && !group->free.empty()) {
        const auto due = group->due.front();
        Connection& c = *group->free.front();
        group->due.pop_front();
        group->free.pop_front();
        send(c, due);
      }
    }
  }

  // How long nothing is due. To the nanosecond: a wait of whole milliseconds would be measured as the server's.
  timespec next_due() const {
    auto left = std::chrono::nanoseconds(std::chrono::milliseconds(1));
    const auto now = Clock::now();
    for (auto& group : groups_)
      if (group->rate > 0) left = std::min<std::chrono::nanoseconds>(left, group->next_due - now);
    return {.tv_sec = 0, .tv_nsec = std::max<long>(left.count(), 0)};
  }

  void advance(Connection& c) {
    while (c.busy && c.written < c.out.size()) {
      const int n = SSL_write(c.ssl, c.out.data() + c.written, int(c.out.size() - c.written));
      if (n <= 0) {
        if (SSL_get_error(c.ssl, n) == SSL_ERROR_WANT_WRITE) return;
        die("the server closed a connection while it was written to");
      }
      c.written += size_t(n);
    }
    char buffer[16384];
    while (c.busy) {
      const int n = SSL_read(c.ssl, buffer, sizeof buffer);
      if (n <= 0) {
        const int error = SSL_get_error(c.ssl, n);
        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return;
        die("the server closed a connection");
      }
      c.in.append(buffer, size_t(n));
      if (!answered(c)) continue;
      if (c.group->rate > 0)
        c.group->free.push_back(&c);
      else if (!c.group->kind.empty())
        send(c, Clock::now());
    }
  }

  // Takes a whole answer off `in`, if there is one.
  bool answered(Connection& c) {
    const size_t head = c.in.find("\r\n\r\n");
    if (head == c.in.npos) return false;
    std::string lower = c.in.substr(0, head);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char ch) { return char(std::tolower(ch)); });
    const size_t length = lower.find("\r\ncontent-length:");
    if (length == lower.npos) die("an answer without Content-Length");
    const size_t whole = head + 4 + std::stoul(lower.substr(length + 17));
    if (c.in.size() < whole) return false;
    const int code = std::stoi(c.in.substr(9, 3));
    if (code / 100 != 2) {
      if (c.group->errors++ == 0) c.group->first_error_code = code;
    }
    c.in.erase(0, whole);
    c.busy = false;
    c.group->latencies_ms.push_back(std::chrono::duration<float, std::milli>(Clock::now() - c.due).count());
    return true;
  }

  void print(double seconds) {
    std::string out = "[";
    for (auto& group : groups_) {
      auto& l = group->latencies_ms;
      std::sort(l.begin(), l.end());
      const auto at = [&](double q) {
        return l.empty() ? 0.0 : double(l[std::min(l.size() - 1, size_t(q * double(l.size())))]);
      };
      char text[512];
      std::snprintf(
          text, sizeof text,
          R"({"kind":"%s","rate":%.0f,"requests":%zu,"errors":%llu,"first_error":%d,"seconds":%.3f,)"
          R"("per_s":%.1f,"p50_ms":%.3f,"p90_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f})",
          group->kind.c_str(), group->rate, l.size(), static_cast<unsigned long long>(group->errors),
          group->first_error_code, seconds, double(l.size()) / seconds, at(0.5), at(0.9), at(0.99), at(1.0));
      if (out.size() > 1) out += ",";
      out += text;
    }
    std::printf("%s]\n", out.c_str());
  }

  Options o_;
  std::string run_, value_;
  SSL_CTX* context_ = nullptr;
  int epoll_ = -1;
  std::vector<std::unique_ptr<Group>> groups_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app("HTTPS load on a Kubernetes API");
  app.add_option("--host", o.host);
  app.add_option("--port", o.port);
  app.add_option("--ca", o.ca)->required();
  app.add_option("--cert", o.cert)->required();
  app.add_option("--key", o.key)->required();
  app.add_option("--path", o.path, "prefix of the API, /clusters/NAME");
  app.add_option("--seconds", o.seconds);
  app.add_option("--value-bytes", o.value_bytes);
  app.add_option("--group", o.groups, "KIND:CONNECTIONS:RATE")->required();
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  Load(std::move(o)).run();
  return 0;
}
