// A lane beside a loop, for work that requests must not wait for: the nodes of this process. Its tasks run on the loop's
// thread, in order, but only for a slice of time in each round of the loop, so that the other tasks of a round wait for
// no more than that, however many nodes there are.
//
// Thread rule: as env::Loop. Destroyed on the loop's thread, or once that has ended; what still waits is dropped.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "env/env.h"

namespace ingot::host {

class SideLane final : public env::Loop {
 public:
  SideLane(const env::Clock& clock, env::Loop& loop, Duration slice)
      : clock_(clock), loop_(loop), slice_(slice) {}
  ~SideLane() override;

  void post(env::Task) override;
  env::TimerId at(Instant, env::Task) override;
  void cancel(env::TimerId) override;

 private:
  struct Timer {
    env::TimerId outer;  // of the loop, until it is due
    env::Task task;
  };
  void round();
  void run_slice();
  env::Task next();

  const env::Clock& clock_;
  env::Loop& loop_;
  const Duration slice_;
  std::mutex mutex_;
  std::deque<env::Task> queue_;  // guarded
  bool posted_ = false;          // guarded: a round is due
  std::unordered_map<env::TimerId, Timer> timers_;
  env::TimerId last_timer_ = 0;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace ingot::host
