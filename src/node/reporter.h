// Brings one pod's status to the API server: sends what differs from what was acknowledged, one patch at a time,
// again until it arrives. Thread rule: the loop.
#pragma once

#include <memory>
#include <string>

#include "env/env.h"
#include "node/api.h"
#include "node/backoff.h"
#include "node/pod.h"

namespace ingot::node {

class Reporter {
 public:
  // `changed` runs whenever settled() may have become true.
  Reporter(env::Env&, Api&, env::Task changed);
  ~Reporter();
  Reporter(const Reporter&) = delete;

  // `path`: the pod's, without "/status".
  // `outputs`: of a step that has ended, "" otherwise.
  void want(const std::string& path, const Pod&, api::JsonObject status, std::string_view outputs = {});
  // The last status wanted is in the store, or never will be: the pod is gone, or the server keeps refusing it.
  bool settled() const { return wanted_ == acknowledged_ || refusals_ >= kRefusals; }

 private:
  static constexpr int kRefusals = 5;
  void send();
  void send_after(Duration);
  void answered(const Result<Answer>&);

  env::Env& env_;
  Api& api_;
  env::Task changed_;
  std::string path_, wanted_, sent_, acknowledged_;
  bool in_flight_ = false;
  int refusals_ = 0;
  env::TimerId timer_ = 0;
  Backoff backoff_{std::chrono::milliseconds(500), std::chrono::seconds(30)};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace ingot::node
