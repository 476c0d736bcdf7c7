// A watch of the shard that begins again by itself when it ends (history gone, a failed commit), for whoever keeps an
// index of some type's objects. Thread rule: the loop. After its end no hook is called.
#pragma once

#include <functional>
#include <memory>

#include "store/shard.h"

namespace ingot::apiserver {

class Subscription {
 public:
  struct Hooks {
    std::function<void()> reset;  // what was known may be wrong; called before every beginning
    std::function<void(const store::Change&)> change;
    std::function<void()> caught_up = [] {};
  };
  // `everything`: live objects first, then changes; otherwise only changes from now on.
  Subscription(env::Env&, store::Shard&, store::Scope, bool everything, Hooks);
  ~Subscription();
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace ingot::apiserver
