// ingot-bind: how fast pods that tenants create get their nodes, and what other tenants notice of it, over HTTPS from
// one thread.
//
//   ingot-bind --port 6443 --ca ca.pem --pods 10000 --connections 16 --get-rate 1000
//              --creator NAME:CERT:KEY … --reader NAME:CERT:KEY …
//
// Every creator is a tenant: it watches its pods on one connection and creates its part of them on CONNECTIONS others,
// each sending its next request when the last was answered. Every reader is another tenant, whose GETs of one ConfigMap
// are due at its part of the rate whatever the answers. The time runs from the first create to the watch event that
// shows the last pod with its node. Prints {pods, bound, errors, create_s, seconds, per_s, gets, get_errors,
// get_p50_ms, get_p99_ms, get_max_ms}; the GETs are those due within that time.
#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "https.h"

namespace {

using bench::die;
using bench::Lines;
using bench::Wire;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string host = "127.0.0.1", ca;
  int port = 6443, connections = 16;
  size_t pods = 10'000;
  double get_rate = 1'000, timeout_s = 300;
  std::vector<std::string> creators, readers;
};

struct Tenant {
  std::string name;
  SSL_CTX* context = nullptr;
  std::string path(std::string_view resource) const {
    return "/clusters/" + name + "/api/v1/namespaces/default/" + std::string(resource);
  }
};

enum class Role : uint8_t { Watch, Create, Get };
struct Connection {
  Role role;
  const Tenant* tenant;
  std::unique_ptr<Wire> wire;
  Lines lines{};
  bool busy = false;
  Clock::time_point due{};
};

class Bench {
 public:
  explicit Bench(Options options) : o_(std::move(options)), bound_(o_.pods, false) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    for (const std::string& text : o_.creators) creators_.push_back(tenant(text));
    for (const std::string& text : o_.readers) readers_.push_back(tenant(text));
    if (creators_.empty()) die("a --creator is needed");
  }

  int run() {
    prepare();
    const auto start = Clock::now(), limit = start + seconds(o_.timeout_s);
    next_get_ = start;
    for (auto& c : connections_)
      if (c->role == Role::Create) create(*c);
    while (bound_count_ < o_.pods && Clock::now() < limit) {
      pace_gets();
      step(next_get_);
    }
    print(std::chrono::duration<double>(last_bound_ - start).count(),
          std::chrono::duration<double>(last_created_ - start).count());
    return bound_count_ == o_.pods && errors_ == 0 && get_errors_ == 0 ? 0 : 1;
  }

 private:
  static Clock::duration seconds(double s) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(s));
  }

  std::unique_ptr<Tenant> tenant(const std::string& text) const {
    const size_t a = text.find(':'), b = text.find(':', a + 1);
    if (a == text.npos || b == text.npos) die("a tenant is NAME:CERT:KEY, not " + text);
    return std::make_unique<Tenant>(
        text.substr(0, a), bench::client_context(o_.ca, text.substr(a + 1, b - a - 1), text.substr(b + 1)));
  }

  Connection& connect(Role role, const Tenant& tenant) {
    auto c = std::make_unique<Connection>(role, &tenant);
    c->wire = std::make_unique<Wire>(tenant.context, o_.host, o_.port, epoll_, c.get());
    connections_.push_back(std::move(c));
    return *connections_.back();
  }

  // Watches are open, the ConfigMaps are there: from now on only pods and GETs.
  void prepare() {
    constexpr int kGetConnections = 4;
    for (const auto& t : creators_) {
      Connection& watch = connect(Role::Watch, *t);
      watch.wire->send(bench::get(o_.host, t->path("pods") + "?watch=true"));
      while (!watch.lines.begun()) step(Clock::now() + seconds(0.1));
      for (int i = 0; i < o_.connections; ++i) connect(Role::Create, *t);
    }
    for (const auto& t : readers_) {
      for (int i = 0; i < kGetConnections; ++i) connect(Role::Get, *t);
      Connection& c = *connections_.back();
      send(c,
           bench::post(o_.host, t->path("configmaps"),
                       R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"target"},"data":{"v":")" +
                           std::string(1024, 'x') + "\"}}"));
      while (c.busy) step(Clock::now() + seconds(0.1));
    }
    if (get_errors_) die("the ConfigMaps that are to be read could not be created");
    latencies_ms_.clear();
    for (auto& c : connections_)
      if (c->role == Role::Get) free_.push_back(c.get());
  }

  void step(Clock::time_point until) {
    const auto wait = std::clamp<std::chrono::nanoseconds>(until - Clock::now(), std::chrono::nanoseconds(0),
                                                           std::chrono::milliseconds(100));
    const timespec timeout{.tv_sec = 0, .tv_nsec = long(wait.count())};
    const int n = epoll_pwait2(epoll_, events_.data(), int(events_.size()), &timeout, nullptr);
    // What is measured to the millisecond does not wait for the load that is made beside it.
    for (const bool gets : {true, false})
      for (int i = 0; i < n; ++i)
        if (Connection& c = *static_cast<Connection*>(events_[size_t(i)].data.ptr);
            (c.role == Role::Get) == gets)
          advance(c);
  }

  void send(Connection& c, std::string request) {
    c.busy = true;
    c.wire->send(std::move(request));
  }

  void create(Connection& c) {
    if (sent_ == o_.pods) return;
    send(
        c,
        bench::post(
            o_.host, c.tenant->path("pods"),
            R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"bind-)" + std::to_string(sent_++) +
                R"("},"spec":{"restartPolicy":"Never","containers":[{"name":"main","image":"bench","resources":)"
                R"({"requests":{"cpu":"4","memory":"16Gi"},"limits":{"nvidia.com/gpu":1}}}]}})"));
  }

  // A GET is due at its time even when all connections wait: then it counts from that time.
  void pace_gets() {
    const auto now = Clock::now();
    if (readers_.empty()) next_get_ = now + seconds(1);
    for (; next_get_ <= now; next_get_ += seconds(1 / o_.get_rate)) due_.push_back(next_get_);
    while (!due_.empty() && !free_.empty()) {
      Connection& c = *free_.front();
      free_.pop_front();
      c.due = due_.front();
      due_.pop_front();
      send(c, bench::get(o_.host, c.tenant->path("configmaps/target")));
    }
  }

  void advance(Connection& c) {
    c.wire->pump();
    if (c.role == Role::Watch) return c.lines.take(c.wire->in, [&](std::string_view line) { seen(line); });
    const std::optional<int> code = c.busy ? bench::take_answer(c.wire->in) : std::nullopt;
    if (!code) return;
    c.busy = false;
    if (c.role == Role::Get) {
      get_errors_ += *code / 100 != 2;
      latencies_ms_.push_back(std::chrono::duration<float, std::milli>(Clock::now() - c.due).count());
      free_.push_back(&c);
      return;
    }
    last_created_ = Clock::now();
    if (*code != 201 && errors_++ == 0) std::fprintf(stderr, "a create was answered with %d\n", *code);
    create(c);
  }

  void seen(std::string_view line) {
    constexpr std::string_view kName = R"("name":"bind-)";
    const size_t name = line.find(kName);
    if (name == line.npos || line.find(R"("nodeName":")") == line.npos) return;
    const size_t index = size_t(std::strtoull(line.data() + name + kName.size(), nullptr, 10));
    if (index >= bound_.size() || bound_[index]) return;
    bound_[index] = true;
    ++bound_count_;
    last_bound_ = Clock::now();
  }

  void print(double bound_s, double created_s) {
    const size_t gets = latencies_ms_.size();
    const bench::Quantiles l(std::move(latencies_ms_));
    std::printf(
        R"({"pods":%zu,"bound":%zu,"errors":%zu,"create_s":%.3f,"seconds":%.3f,"per_s":%.0f,"gets":%zu,)"
        R"("get_errors":%zu,"get_p50_ms":%.3f,"get_p99_ms":%.3f,"get_max_ms":%.3f})"
        "\n",
        o_.pods, bound_count_, errors_, created_s, bound_s, double(bound_count_) / bound_s, gets, get_errors_,
        l.at(0.5), l.at(0.99), l.at(1.0));
  }

  const Options o_;
  int epoll_ = -1;
  std::vector<std::unique_ptr<Tenant>> creators_, readers_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<epoll_event> events_{16};
  std::deque<Connection*> free_;
  std::deque<Clock::time_point> due_;
  Clock::time_point next_get_, last_bound_, last_created_;
  std::vector<bool> bound_;
  std::vector<float> latencies_ms_;
  size_t sent_ = 0, bound_count_ = 0, errors_ = 0, get_errors_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app("Pods created until bound");
  app.add_option("--host", o.host);
  app.add_option("--port", o.port);
  app.add_option("--ca", o.ca)->required();
  app.add_option("--pods", o.pods);
  app.add_option("--connections", o.connections, "of each creator");
  app.add_option("--get-rate", o.get_rate, "a second, all readers together");
  app.add_option("--timeout", o.timeout_s, "seconds");
  app.add_option("--creator", o.creators, "NAME:CERT:KEY")->required();
  app.add_option("--reader", o.readers, "NAME:CERT:KEY");
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  return Bench(std::move(o)).run();
}
