// Small stateful fakes of the ports, for unit tests: time stands still until a test moves it, tasks run when
// a test says so, randomness is a seed. Nothing here is for the program itself; sim/ has its own, larger
// world.
//
//   TestEnv t;
//   t.env.loop.post([] { … });
//   t.loop.run_until_idle();
//   t.loop.advance(5s);          // fires what was due on the way, in order
//
// Thread rule: the test's thread, but Loop::post, which any thread may call.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "env/env.h"

namespace ingot::env {

class ManualClock final : public Clock {
 public:
  Instant now() const override { return now_; }
  WallTime wall() const override { return wall_; }
  // Both hands.
  void advance(Duration by) {
    now_ += by;
    wall_ += std::chrono::duration_cast<std::chrono::microseconds>(by);
  }
  // As an administrator or NTP does; may go back.
  void set_wall(WallTime wall) { wall_ = wall; }

 private:
  Instant now_{};
  WallTime wall_{std::chrono::sys_days{std::chrono::year{2026} / 1 / 2} + std::chrono::hours(3)};
};

// Posted tasks in the order of posting; timers in the order of their time, then of their ids.
class TestLoop final : public Loop {
 public:
  explicit TestLoop(ManualClock& clock) : clock_(clock) {}

  void post(Task task) override {
    std::lock_guard lock(mutex_);
    ready_.push_back(std::move(task));
  }
  TimerId at(Instant when, Task task) override {
    const TimerId id = ++last_timer_;
    timers_.emplace(std::pair(when, id), std::move(task));
    return id;
  }
  void cancel(TimerId id) override {
    std::erase_if(timers_, [&](const auto& timer) { return timer.first.second == id; });
  }

  // Runs one posted task or timer that is due; false when there is none.
  bool step() {
    Task task;
    if (!timers_.empty() && timers_.begin()->first.first <= clock_.now()) {
      task = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
    } else {
      std::lock_guard lock(mutex_);
      if (ready_.empty()) return false;
      task = std::move(ready_.front());
      ready_.pop_front();
    }
    task();
    return true;
  }
  // A loop that never comes to rest is a bug of what is tested.
  void run_until_idle() {
    for (int steps = 0; step(); ++steps) ASSERT(steps < 10'000'000);
  }
  // Moves the clock, stopping at every timer on the way.
  void advance(Duration by) {
    const Instant end = clock_.now() + by;
    run_until_idle();
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      const Instant due = timers_.begin()->first.first;
      if (due > clock_.now()) clock_.advance(due - clock_.now());
      run_until_idle();
    }
    clock_.advance(end - clock_.now());
    run_until_idle();
  }
  size_t timers() const { return timers_.size(); }

 private:
  ManualClock& clock_;
  std::mutex mutex_;  // post() comes from anywhere
  std::deque<Task> ready_;
  std::map<std::pair<Instant, TimerId>, Task> timers_;
  TimerId last_timer_ = 0;
};

// Does the work at once; `done` is posted.
class InlineWorker final : public Worker {
 public:
  explicit InlineWorker(Loop& loop) : loop_(loop) {}
  void run(Task work, Task done) override {
    work();
    loop_.post(std::move(done));
  }

 private:
  Loop& loop_;
};

// Does the work when the test says so, to look at what happens meanwhile.
class QueuedWorker final : public Worker {
 public:
  explicit QueuedWorker(Loop& loop) : loop_(loop) {}
  void run(Task work, Task done) override { queue_.emplace_back(std::move(work), std::move(done)); }
  size_t waiting() const { return queue_.size(); }
  bool step() {
    if (queue_.empty()) return false;
    auto [work, done] = std::move(queue_.front());
    queue_.pop_front();
    work();
    loop_.post(std::move(done));
    return true;
  }

 private:
  Loop& loop_;
  std::deque<std::pair<Task, Task>> queue_;
};

class SeededEntropy final : public Entropy {
 public:
  explicit SeededEntropy(uint64_t seed = 1) : random_(seed) {}
  uint64_t next() override { return random_(); }

 private:
  std::mt19937_64 random_;
};

// SQLite's own files.
struct RealDisk final : Disk {
  std::string vfs() const override { return name; }
  std::string name;
};

struct NoFaults final : Faults {
  bool fires(std::string_view) override { return false; }
};

// Fires the points a test armed, as often as it said.
class ArmedFaults final : public Faults {
 public:
  void arm(std::string point, int times = 1) { left_[std::move(point)] = times; }
  bool fires(std::string_view point) override {
    const auto it = left_.find(point);
    if (it == left_.end() || it->second == 0) return false;
    --it->second;
    return true;
  }

 private:
  std::map<std::string, int, std::less<>> left_;
};

struct NullLog final : Log {
  void event(Level, std::string_view, std::initializer_list<Field>) override {}
};

// Keeps the names of events, in order.
struct NamesLog final : Log {
  void event(Level, std::string_view name, std::initializer_list<Field>) override {
    names.emplace_back(name);
  }
  std::vector<std::string> names;
};

// All of it together, the work done inline. Make an Env of your own where a test needs another worker.
struct TestEnv {
  ManualClock clock;
  TestLoop loop{clock};
  InlineWorker worker{loop};
  SeededEntropy entropy;
  RealDisk disk;
  ArmedFaults faults;
  NamesLog log;
  Env env{clock, loop, worker, entropy, disk, faults, log};
};

}  // namespace ingot::env
