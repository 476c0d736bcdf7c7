// ingot-bind: how fast pods that tenants create get their nodes, and what other tenants notice of it, over HTTPS: one
// thread creates and watches, one reads.
//
//   ingot-bind --port 6443 --ca ca.pem --pods 10000 --connections 16 --get-rate 1000
//              --creator NAME:CERT:KEY … --reader NAME:CERT:KEY …
//
// Every creator is a tenant: it watches its pods on one connection and creates its part of them on CONNECTIONS others,
// each sending its next request when the last was answered. Every reader is another tenant, whose GETs of one ConfigMap
// are due at its part of the rate whatever the answers; that thread asks for short time slices, for what it waits for its
// own processor is no other tenant's answer. The time runs from the first create to the watch event that
// shows the last pod with its node. Prints {pods, bound, errors, create_s, seconds, per_s, gets, get_errors,
// get_p50_ms, get_p99_ms, get_max_ms}; the GETs are those due within that time.
#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "host/short_slices.h"
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

Clock::duration seconds(double s) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(s));
}

std::unique_ptr<Tenant> tenant(const Options& o, const std::string& text) {
  const size_t a = text.find(':'), b = text.find(':', a + 1);
  if (a == text.npos || b == text.npos) die("a tenant is NAME:CERT:KEY, not " + text);
  return std::make_unique<Tenant>(
      text.substr(0, a), bench::client_context(o.ca, text.substr(a + 1, b - a - 1), text.substr(b + 1)));
}

struct Connection {
  const Tenant* tenant;
  bool watch = false;
  std::unique_ptr<Wire> wire;
  Lines lines{};
  bool busy = false;
  Clock::time_point due{};
};

// The connections of one thread.
class Connections {
 public:
  explicit Connections(const Options& o) : o_(o), epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

  Connection& connect(const Tenant& tenant) {
    auto c = std::make_unique<Connection>(&tenant);
    c->wire = std::make_unique<Wire>(tenant.context, o_.host, o_.port, epoll_, c.get());
    all_.push_back(std::move(c));
    return *all_.back();
  }
  void send(Connection& c, std::string request) {
    c.busy = true;
    c.wire->send(std::move(request));
  }
  // Waits for one that has something to say.
  void step(Clock::time_point until, auto&& advance) {
    const auto wait = std::clamp<std::chrono::nanoseconds>(until - Clock::now(), std::chrono::nanoseconds(0),
                                                           std::chrono::milliseconds(100));
    const timespec timeout{.tv_sec = 0, .tv_nsec = long(wait.count())};
    const int n = epoll_pwait2(epoll_, events_.data(), int(events_.size()), &timeout, nullptr);
    for (int i = 0; i < n; ++i) advance(*static_cast<Connection*>(events_[size_t(i)].data.ptr));
  }
  const std::vector<std::unique_ptr<Connection>>& all() const { return all_; }

 private:
  const Options& o_;
  const int epoll_;
  std::vector<std::unique_ptr<Connection>> all_;
  std::vector<epoll_event> events_{16};
};

// GETs of one ConfigMap of each reader, due at a rate.
class Readers {
 public:
  explicit Readers(const Options& o) : o_(o), connections_(o) {
    constexpr int kConnections = 4;
    for (const std::string& text : o.readers) {
      const Tenant& t = *tenants_.emplace_back(tenant(o, text));
      for (int i = 0; i < kConnections; ++i) free_.push_back(&connections_.connect(t));
      Connection& c = *free_.back();
      connections_.send(
          c,
          bench::post(o_.host, t.path("configmaps"),
                      R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"target"},"data":{"v":")" +
                          std::string(1024, 'x') + "\"}}"));
      while (c.busy) connections_.step(Clock::now() + seconds(0.1), [&](Connection& one) { answered(one); });
    }
    if (errors_) die("the ConfigMaps that are to be read could not be created");
    latencies_ms_.clear();
  }
  ~Readers() { finish(); }

  void start(Clock::time_point at) {
    if (tenants_.empty()) return;
    next_ = at;
    thread_ = std::jthread([this](const std::stop_token& stop) {
      ingot::host::prefer_short_slices();
      while (!stop.stop_requested()) {
        pace();
        connections_.step(next_, [&](Connection& c) {
          if (answered(c)) free_.push_back(&c);
        });
      }
    });
  }
  void finish() { thread_ = {}; }

  // After finish().
  size_t errors() const { return errors_; }
  const std::vector<float>& latencies_ms() const { return latencies_ms_; }

 private:
  // A GET is due at its time even when all connections wait: then it counts from that time.
  void pace() {
    for (const auto now = Clock::now(); next_ <= now; next_ += seconds(1 / o_.get_rate))
      due_.push_back(next_);
    while (!due_.empty() && !free_.empty()) {
      Connection& c = *free_.front();
      free_.pop_front();
      c.due = due_.front();
      due_.pop_front();
      connections_.send(c, bench::get(o_.host, c.tenant->path("configmaps/target")));
    }
  }
  bool answered(Connection& c) {
    c.wire->pump();
    const std::optional<int> code = c.busy ? bench::take_answer(c.wire->in) : std::nullopt;
    if (!code) return false;
    c.busy = false;
    errors_ += *code / 100 != 2;
    latencies_ms_.push_back(std::chrono::duration<float, std::milli>(Clock::now() - c.due).count());
    return true;
  }

  const Options& o_;
  std::vector<std::unique_ptr<Tenant>> tenants_;
  Connections connections_;
  std::deque<Connection*> free_;
  std::deque<Clock::time_point> due_;
  Clock::time_point next_;
  std::vector<float> latencies_ms_;
  size_t errors_ = 0;
  std::jthread thread_;
};

class Bench {
 public:
  explicit Bench(Options options)
      : o_(std::move(options)), readers_(o_), connections_(o_), bound_(o_.pods, false) {
    for (const std::string& text : o_.creators) creators_.push_back(tenant(o_, text));
    if (creators_.empty()) die("a --creator is needed");
  }

  int run() {
    prepare();
    const auto start = Clock::now(), limit = start + seconds(o_.timeout_s);
    readers_.start(start);
    for (auto& c : connections_.all())
      if (!c->watch) create(*c);
    while (bound_count_ < o_.pods && Clock::now() < limit) step();
    readers_.finish();
    print(std::chrono::duration<double>(last_bound_ - start).count(),
          std::chrono::duration<double>(last_created_ - start).count());
    return bound_count_ == o_.pods && errors_ == 0 && readers_.errors() == 0 ? 0 : 1;
  }

 private:
  // Watches are open: from now on only pods.
  void prepare() {
    for (const auto& t : creators_) {
      Connection& watch = connections_.connect(*t);
      watch.watch = true;
      watch.wire->send(bench::get(o_.host, t->path("pods") + "?watch=true"));
      while (!watch.lines.begun()) step();
      for (int i = 0; i < o_.connections; ++i) connections_.connect(*t);
    }
  }

  void step() {
    connections_.step(Clock::now() + seconds(0.1), [&](Connection& c) { advance(c); });
  }

  void create(Connection& c) {
    if (sent_ == o_.pods) return;
    connections_.send(
        c,
        bench::post(
            o_.host, c.tenant->path("pods"),
            R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"bind-)" + std::to_string(sent_++) +
                R"("},"spec":{"restartPolicy":"Never","containers":[{"name":"main","image":"bench","resources":)"
                R"({"requests":{"cpu":"4","memory":"16Gi"},"limits":{"nvidia.com/gpu":1}}}]}})"));
  }

  void advance(Connection& c) {
    c.wire->pump();
    if (c.watch) return c.lines.take(c.wire->in, [&](std::string_view line) { seen(line); });
    const std::optional<int> code = c.busy ? bench::take_answer(c.wire->in) : std::nullopt;
    if (!code) return;
    c.busy = false;
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
    const size_t gets = readers_.latencies_ms().size();
    const bench::Quantiles l(readers_.latencies_ms());
    std::printf(
        R"({"pods":%zu,"bound":%zu,"errors":%zu,"create_s":%.3f,"seconds":%.3f,"per_s":%.0f,"gets":%zu,)"
        R"("get_errors":%zu,"get_p50_ms":%.3f,"get_p99_ms":%.3f,"get_max_ms":%.3f})"
        "\n",
        o_.pods, bound_count_, errors_, created_s, bound_s, double(bound_count_) / bound_s, gets,
        readers_.errors(), l.at(0.5), l.at(0.99), l.at(1.0));
  }

  const Options o_;
  Readers readers_;
  Connections connections_;
  std::vector<std::unique_ptr<Tenant>> creators_;
  Clock::time_point last_bound_, last_created_;
  std::vector<bool> bound_;
  size_t sent_ = 0, bound_count_ = 0, errors_ = 0;
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
