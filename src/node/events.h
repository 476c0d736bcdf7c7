// core/v1 Events about pods and the node itself. Best effort: bounded in number and rate, lost when the API does not answer.
// Thread rule: the loop.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "env/env.h"
#include "node/api.h"
#include "node/pod.h"

namespace ingot::node {

class Events {
 public:
  static constexpr size_t kMaxQueued = 1024, kMaxInFlight = 8, kMaxKindsPerPod = 64;
  static constexpr int kBurst = 25;                              // new writes a pod may cause at once
  static constexpr Duration kRefill = std::chrono::seconds(12);  // and then one in this time

  Events(env::Env&, Api&, std::string node);

  // `cluster_path`: "/clusters/NAME". `container` may be empty. The same event again raises its count.
  void normal(const std::string& cluster_path, const Pod&, const ContainerDef*, std::string_view reason,
              std::string message);
  void warning(const std::string& cluster_path, const Pod&, const ContainerDef*, std::string_view reason,
               std::string message);
  // About the Node, in the control plane root. `type`: Normal or Warning.
  void node(std::string_view type, std::string_view reason, std::string message);
  void forget(const std::string& pod_uid) { pods_.erase(pod_uid); }
  uint64_t dropped() const { return dropped_; }

 private:
  struct Known {
    std::string name;  // of the Event object
    int64_t count = 0;
  };
  struct OfPod {
    int tokens = kBurst;
    Instant refilled{};
    std::map<std::string, Known> known;
  };
  void record(std::string_view type, const std::string& cluster_path, const Pod&, const ContainerDef*,
              std::string_view reason, std::string message);
  struct About {
    std::string uid, base, name;  // of what it is about; `base`: the events' collection
    std::string field;            // of a container
    api::JsonObject object;       // involvedObject
  };
  void record(std::string_view type, const About&, std::string_view reason, std::string message);
  bool take_token(OfPod&);
  void send();

  env::Env& env_;
  Api& api_;
  std::string node_;
  std::map<std::string, OfPod> pods_;
  std::deque<Call> queue_;
  size_t in_flight_ = 0;
  uint64_t dropped_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace ingot::node
