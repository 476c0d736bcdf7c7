// What lies between callers and the control plane: it delays, loses requests, loses answers, cuts streams. While the
// control plane is down everything fails; when it crashes, what was under way fails too, answered or not.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "apiserver/server.h"
#include "node/list_watch.h"
#include "sim/world.h"

namespace ingot::sim {

class Network {
 public:
  using Done = std::move_only_function<void(Result<node::Answer>)>;
  using Line = std::function<void(std::string_view)>;
  using Closed = std::function<void(Result<int>)>;

  explicit Network(World& world) : world_(world) {}

  // The control plane that answers from now on; nullptr: none, and every exchange under way is cut.
  void attach(apiserver::Server* server);
  // Chance that a message is lost or a stream cut, and the longest extra delay.
  void trouble(double loss, Duration delay) { loss_ = loss, delay_ = delay; }

  // The caller learns of a lost message by a timeout, not knowing whether the request was carried out.
  void call(const ProcessPtr& caller, apiserver::Request, Done);
  std::unique_ptr<node::Watch> stream(const ProcessPtr& caller, apiserver::Request, Line, Closed);

 private:
  friend class Wire;
  struct Pending;
  uint64_t open(const ProcessPtr& caller, apiserver::Request, std::shared_ptr<Pending>);
  void finish(uint64_t id, Result<node::Answer>, Duration after);
  void cut(uint64_t id);
  Instant arrival(Pending&);

  World& world_;
  apiserver::Server* server_ = nullptr;
  ProcessPtr link_ =
      std::make_shared<Process>();  // dies with each control plane: its undelivered requests too
  std::map<uint64_t, std::shared_ptr<Pending>> pending_;
  uint64_t last_ = 0;
  double loss_ = 0;
  Duration delay_{};
};

// One caller's way in: a node, under its own name.
class NodeTransport final : public node::Transport {
 public:
  NodeTransport(Network& network, ProcessPtr caller, std::string node)
      : network_(network), caller_(std::move(caller)), node_(std::move(node)) {}
  void call(node::Call, std::move_only_function<void(Result<node::Answer>)>) override;
  std::unique_ptr<node::Watch> stream(std::string path, std::function<void(std::string_view)>,
                                      std::function<void(Result<int>)>) override;

 private:
  apiserver::Request request(std::string method, std::string path) const;
  Network& network_;
  ProcessPtr caller_;
  std::string node_;
};

}  // namespace ingot::sim
