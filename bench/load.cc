// ingot-load: HTTPS load on a Kubernetes API from one thread, so that the server keeps the machine to itself.
//
//   ingot-load --host 127.0.0.1 --port 6443 --ca ca.pem --cert c.pem --key k.pem --path /clusters/x --seconds 10
//              --group create:64:0 --group get:16:5000
//
// A group is KIND:CONNECTIONS:RATE. KIND create: POST of unique 1 KiB ConfigMaps; get: GET of one ConfigMap that is
// created first. RATE 0: each connection sends its next request when the last was answered; RATE > 0: requests are due
// at that many a second whatever the answers, and latency counts from when a request was due.
// Prints one JSON array: {kind, rate, requests, errors, seconds, per_s, p50_ms, p90_ms, p99_ms, max_ms} a group.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "https.h"

namespace {

using bench::die;
using bench::Wire;

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
  std::unique_ptr<Wire> wire;
  bool busy = false;
  Clock::time_point due;
};

class Load {
 public:
  explicit Load(Options options) : o_(std::move(options)), run_(std::to_string(getpid())) {
    value_.assign(size_t(o_.value_bytes), 'x');
    context_ = bench::client_context(o_.ca, o_.cert, o_.key);
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
    c->wire = std::make_unique<Wire>(context_, o_.host, o_.port, epoll_, c.get());
    if (group.rate > 0) group.free.push_back(c.get());
    connections_.push_back(std::move(c));
  }

  std::string post(const std::string& name) const {
    const std::string body = R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name +
                             R"("},"data":{"value":")" + value_ + "\"}}";
    return bench::post(o_.host, o_.path + "/api/v1/namespaces/default/configmaps", body);
  }
  std::string request(Group& group) {
    if (group.kind == "create") return post("load-" + run_ + "-" + std::to_string(group.sent));
    return bench::get(o_.host, o_.path + "/api/v1/namespaces/default/configmaps/load-" + run_ + "-target");
  }

  // The object that `get` groups read.
  void seed_object() {
    Group seed;
    Connection& c = *connections_.front();
    Group* own = c.group;
    c.group = &seed;
    c.busy = true;
    c.wire->send(post("load-" + run_ + "-target"));
    while (c.busy) {
      epoll_event event{};
      advance(c);
      if (c.busy) epoll_wait(epoll_, &event, 1, 1);
    }
    if (seed.errors) die("the first create was answered with " + std::to_string(seed.first_error_code));
    c.group = own;
  }

  void send(Connection& c, Clock::time_point due) {
    std::string text = request(*c.group);
    ++c.group->sent;
    c.busy = true;
    c.due = due;
    c.wire->send(std::move(text));
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
    c.wire->pump();
    while (c.busy && answered(c)) {
      if (c.group->rate > 0)
        c.group->free.push_back(&c);
      else if (!c.group->kind.empty())
        return send(c, Clock::now());
    }
  }

  // Takes a whole answer, if there is one.
  bool answered(Connection& c) {
    const std::optional<int> code = bench::take_answer(c.wire->in);
    if (!code) return false;
    if (*code / 100 != 2 && c.group->errors++ == 0) c.group->first_error_code = *code;
    c.busy = false;
    c.group->latencies_ms.push_back(std::chrono::duration<float, std::milli>(Clock::now() - c.due).count());
    return true;
  }

  void print(double seconds) {
    std::string out = "[";
    for (auto& group : groups_) {
      const size_t requests = group->latencies_ms.size();
      const bench::Quantiles l(std::move(group->latencies_ms));
      char text[512];
      std::snprintf(
          text, sizeof text,
          R"({"kind":"%s","rate":%.0f,"requests":%zu,"errors":%llu,"first_error":%d,"seconds":%.3f,)"
          R"("per_s":%.1f,"p50_ms":%.3f,"p90_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f})",
          group->kind.c_str(), group->rate, requests, static_cast<unsigned long long>(group->errors),
          group->first_error_code, seconds, double(requests) / seconds, l.at(0.5), l.at(0.9), l.at(0.99),
          l.at(1.0));
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
