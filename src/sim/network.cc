#include "sim/network.h"

#include <algorithm>

namespace ingot::sim {
using namespace std::chrono_literals;

struct Network::Pending {
  ProcessPtr caller;
  Done done;  // of a call
  Line line;  // of a stream
  Closed closed;
  std::move_only_function<void()> on_close;  // tells the server that the peer went away
  std::string rest;                          // bytes of a line not yet whole
  Instant last_arrival{};                    // what is sent arrives in order
  std::string what;                          // "PATCH /clusters/…" for the trace
  int code = 200;
  bool lose_answer = false;
  bool streaming() const { return bool(line); }
};

// The server's end of one exchange. It may outlive the exchange: then it does nothing.
class Wire final : public apiserver::Exchange {
 public:
  Wire(Network& network, uint64_t id) : network_(network), id_(id) {}

  void reply(apiserver::Reply reply) override {
    std::string body;
    for (const auto& piece : reply.body) body += *piece;
    const auto it = network_.pending_.find(id_);
    if (it == network_.pending_.end()) return;
    it->second->code = reply.code;
    const bool lost = it->second->lose_answer;
    if (lost)
      network_.finish(id_, fail(Reason::Timeout, "no answer"), 5s);
    else
      network_.finish(id_, node::Answer{reply.code, std::move(body)}, 0s);
  }

  void begin(apiserver::Reply head) override {
    if (auto* p = pending()) p->code = head.code;
  }

  bool write(apiserver::Piece piece) override {
    auto* p = pending();
    if (!p || !p->streaming()) return false;
    if (network_.world_.random().chance(network_.loss_ / 4)) {
      network_.cut(id_);
      return false;
    }
    p->rest += *piece;
    for (size_t end; (end = p->rest.find('\n')) != std::string::npos; p->rest.erase(0, end + 1))
      deliver(*p, p->rest.substr(0, end));
    return true;
  }

  void end() override { network_.finish(id_, node::Answer{200, {}}, 0s); }
  void on_close(std::move_only_function<void()> closed) override {
    if (auto* p = pending()) p->on_close = std::move(closed);
  }

 private:
  Network::Pending* pending() {
    const auto it = network_.pending_.find(id_);
    return it == network_.pending_.end() ? nullptr : it->second.get();
  }
  void deliver(Network::Pending& p, std::string text) {
    network_.world_.at(network_.arrival(p), p.caller,
                       [line = p.line, text = std::move(text)] { line(text); });
  }

  Network& network_;
  uint64_t id_;
};

Instant Network::arrival(Pending& p) {
  const Duration delay = world_.random().between(20us, 300us) + world_.random().between(0ns, delay_);
  return p.last_arrival = std::max(p.last_arrival, world_.now() + delay);
}

void Network::attach(apiserver::Server* server) {
  server_ = server;
  if (server) return;
  link_->alive = false;
  link_ = std::make_shared<Process>();
  while (!pending_.empty())
    finish(pending_.begin()->first, fail(Reason::ServiceUnavailable, "connection lost"), 1ms);
}

uint64_t Network::open(const ProcessPtr& caller, apiserver::Request request, std::shared_ptr<Pending> p) {
  const uint64_t id = ++last_;
  p->caller = caller;
  p->what = request.method + " " + request.target;
  p->lose_answer = world_.random().chance(loss_);
  pending_.emplace(id, p);
  if (!server_) {
    finish(id, fail(Reason::ServiceUnavailable, "connection refused"), 1ms);
  } else if (world_.random().chance(loss_)) {
    finish(id, fail(Reason::Timeout, "no answer"), 5s);
  } else {
    auto exchange = std::make_shared<Wire>(*this, id);
    world_.at(arrival(*p), link_, [this, exchange, request = std::move(request)]() mutable {
      server_->submit(server_->prepare(std::move(request)), exchange);
    });
  }
  return id;
}

// Ends an exchange: the caller hears of it once, when the last bytes have arrived.
void Network::finish(uint64_t id, Result<node::Answer> answer, Duration after) {
  const auto it = pending_.find(id);
  if (it == pending_.end()) return;
  auto p = std::move(it->second);
  pending_.erase(it);
  if (!answer || answer->code >= 300)
    world_.trace("refused " + p->what + ": " +
                 (answer ? std::to_string(answer->code) : answer.error().message));
  const Instant when = arrival(*p) + after;
  world_.at(when, p->caller, [p, answer = std::move(answer)]() mutable {
    if (p->done) p->done(std::move(answer));
    if (p->closed) p->closed(answer ? Result<int>(p->code) : std::unexpected(answer.error()));
  });
}

void Network::cut(uint64_t id) {
  const auto it = pending_.find(id);
  if (it == pending_.end()) return;
  if (it->second->on_close) world_.at(world_.now(), link_, std::move(it->second->on_close));
  finish(id, fail(Reason::ServiceUnavailable, "connection lost"), 0s);
}

void Network::call(const ProcessPtr& caller, apiserver::Request request, Done done) {
  auto p = std::make_shared<Pending>();
  p->done = std::move(done);
  open(caller, std::move(request), std::move(p));
}

std::unique_ptr<node::Watch> Network::stream(const ProcessPtr& caller, apiserver::Request request, Line line,
                                             Closed closed) {
  struct Handle final : node::Watch {
    ~Handle() override {
      wanted->alive = false;
      network->cut(id);
    }
    Network* network = nullptr;
    uint64_t id = 0;
    ProcessPtr wanted = std::make_shared<Process>();
  };
  auto handle = std::make_unique<Handle>();
  handle->network = this;
  auto p = std::make_shared<Pending>();
  // Nothing reaches a stream whose handle is gone, nor a caller that died.
  const ProcessPtr wanted = handle->wanted;
  p->line = [wanted, line = std::move(line)](std::string_view text) {
    if (wanted->alive) line(text);
  };
  p->closed = [wanted, closed = std::move(closed)](Result<int> code) {
    if (wanted->alive) closed(std::move(code));
  };
  handle->id = open(caller, std::move(request), std::move(p));
  return handle;
}

apiserver::Request NodeTransport::request(std::string method, std::string path) const {
  apiserver::Request r;
  r.method = std::move(method);
  r.target = std::move(path);
  r.accept = "application/json";
  r.user_agent = "ingot-node";
  r.identity = apiserver::Identity{.name = "system:node:" + node_,
                                   .groups = {"system:nodes", "system:authenticated"},
                                   .uid = {},
                                   .home = kRootCluster};
  return r;
}

void NodeTransport::call(node::Call c, std::move_only_function<void(Result<node::Answer>)> done) {
  apiserver::Request r = request(std::move(c.method), std::move(c.path));
  r.content_type = std::move(c.content_type);
  r.body = std::move(c.body);
  network_.call(caller_, std::move(r), std::move(done));
}

std::unique_ptr<node::Watch> NodeTransport::stream(std::string path,
                                                   std::function<void(std::string_view)> line,
                                                   std::function<void(Result<int>)> closed) {
  return network_.stream(caller_, request("GET", std::move(path)), std::move(line), std::move(closed));
}

}  // namespace ingot::sim
