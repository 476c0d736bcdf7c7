// A lane beside a loop, for work that requests must not wait for: the nodes of this process. Its tasks run on the loop's
// thread, in order, but only for a slice of time in a round of the loop, so that the other tasks of a round wait for no
// more than that, however many nodes there are. While clients keep the loop busy, kRest slices of time lie between two
// slices, unless a task has waited for kPatience: a burst of requests is not slowed by what it sets in motion.
//
// Thread rule: as env::Loop. Closed and destroyed on the loop's thread, or once that has ended; what still waits is dropped.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "env/env.h"

namespace ingot::host {

class SideLane final : public env::Loop {
 public:
  SideLane(const env::Clock& clock, env::Loop& loop, Duration slice)
      : clock_(clock), loop_(loop), slice_(slice) {}
  ~SideLane() override;

  static constexpr int kRest = 31;
  static constexpr Duration kPatience = std::chrono::seconds(2);

  // A client's request is here: the time after it is not for the lane alone. Thread rule: the loop.
  void give_way() { clients_until_ = clock_.now() + kRest * slice_; }

  // What waits and what is posted from now on is dropped: whoever still has an answer for the lane may go on to give it.
  void close();

  void post(env::Task) override;
  env::TimerId at(Instant, env::Task) override;
  void cancel(env::TimerId) override;

 private:
  struct Timer {
    env::TimerId outer;  // of the loop, until it is due
    env::Task task;
  };
  struct Waiting {
    Instant since;
    env::Task task;
  };
  void round();
  void run_slice();
  std::optional<Waiting> next();
  bool patient() const;

  const env::Clock& clock_;
  env::Loop& loop_;
  const Duration slice_;
  mutable std::mutex mutex_;
  std::deque<Waiting> queue_;  // guarded
  bool posted_ = false;        // guarded: a round is due
  bool closed_ = false;        // guarded
  Instant rest_until_{}, clients_until_{};
  env::TimerId rest_ = 0;
  std::unordered_map<env::TimerId, Timer> timers_;
  env::TimerId last_timer_ = 0;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace ingot::host
