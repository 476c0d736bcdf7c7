// Brings to webhooks what they are told of (apiserver/webhooks.h): signed, one at a time to each, again after growing pauses
// when it was not taken, and kTries times in all. What came of the last is in the webhook's status.
//
// Thread rule: the loop. Invariants: what is to be brought is an object until it was taken or given up, so it outlives a crash,
// and comes at least once; its id is the same each time, so whoever gets it can tell. Bounds: kMostGoing posts at once,
// kMostGoingOfOne of one cluster. An event that fails does not hold up those after it.
//
// Facts: mlflow/webhooks/delivery.py, constants.py (headers, what is signed).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "env/env.h"
#include "env/webhooks.h"
#include "store/shard.h"

namespace ingot::registry {

class Courier {
 public:
  static constexpr size_t kMostGoing = 32, kMostGoingOfOne = 2;
  static constexpr size_t kMostTests = 4;                           // at once, of one cluster
  static constexpr int kTries = 9;                                  // over about an hour
  static constexpr Duration kFirstPause = std::chrono::seconds(1);  // three times as long each time

  // `sender` outlives this.
  Courier(env::Env&, store::Shard&, env::WebhookSender& sender);
  ~Courier();
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;

  // An example of `event` ("": of the first that it asked for), now and once. NotFound: no such webhook; Invalid: no such event;
  // TooManyRequests: kMostTests are going on.
  using Tested = std::move_only_function<void(Result<env::WebhookAnswer>)>;
  void test(const ClusterId&, const std::string& webhook, const std::string& event, Tested);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // weakly held by what is on its way
};

}  // namespace ingot::registry
