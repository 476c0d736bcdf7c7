#include "host/side_lane.h"

#include <utility>

namespace ingot::host {

SideLane::~SideLane() { close(); }

void SideLane::close() {
  std::deque<Waiting> dropped;  // outside the lock: what goes may post
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    dropped.swap(queue_);
  }
  if (rest_) loop_.cancel(std::exchange(rest_, 0));
  const auto timers = std::exchange(timers_, {});
  for (const auto& [id, timer] : timers) loop_.cancel(timer.outer);
}

void SideLane::post(env::Task task) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    queue_.push_back({clock_.now(), std::move(task)});
    if (std::exchange(posted_, true)) return;
  }
  round();
}

void SideLane::round() {
  loop_.post([this, posted = clock_.now(), alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    const Instant now = clock_.now();
    const bool busy = now - posted >= slice_ && now < clients_until_;
    if (!busy || now >= rest_until_ || !patient()) return run_slice();
    rest_ = loop_.at(rest_until_, [this] {
      rest_ = 0;
      run_slice();
    });
  });
}

bool SideLane::patient() const {
  std::lock_guard lock(mutex_);
  return queue_.empty() || clock_.now() - queue_.front().since < kPatience;
}

std::optional<SideLane::Waiting> SideLane::next() {
  std::lock_guard lock(mutex_);
  if (queue_.empty()) {
    posted_ = false;
    return std::nullopt;
  }
  std::optional<Waiting> first = std::move(queue_.front());
  queue_.pop_front();
  return first;
}

void SideLane::run_slice() {
  const Instant end = clock_.now() + slice_;
  rest_until_ = end + kRest * slice_;
  const std::weak_ptr<char> alive = alive_;
  while (std::optional<Waiting> first = next()) {
    first->task();
    if (alive.expired()) return;  // the task ended the lane
    if (clock_.now() >= end) return round();
  }
}

// Due, it takes its place at the lane's end; a cancelled one is not there any more when that comes.
env::TimerId SideLane::at(Instant when, env::Task task) {
  const env::TimerId id = ++last_timer_;
  const env::TimerId outer = loop_.at(when, [this, id] {
    timers_.at(id).outer = 0;
    post([this, id] {
      auto timer = timers_.extract(id);
      if (!timer.empty()) timer.mapped().task();
    });
  });
  timers_.emplace(id, Timer{outer, std::move(task)});
  return id;
}

void SideLane::cancel(env::TimerId id) {
  const auto timer = timers_.extract(id);
  if (!timer.empty()) loop_.cancel(timer.mapped().outer);
}

}  // namespace ingot::host
