// The real loop and worker: one thread each, tasks in order.
// Thread rule: post(), call(), run() and stop() from any thread (call() never from the loop's own); at() and cancel()
// from the loop's thread. Invariants: a batch of posted tasks is taken under one lock, so a burst costs one wake-up;
// tasks posted before stop() run, those after are dropped.
#pragma once

#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "env/env.h"

namespace ingot::host {

class ThreadLoop final : public env::Loop {
 public:
  ThreadLoop(const env::Clock& clock, std::string name);
  ~ThreadLoop() override;  // stop()

  void post(env::Task) override;
  env::TimerId at(Instant, env::Task) override;
  void cancel(env::TimerId) override;

  // Runs what was posted, then ends the thread and destroys what is left on the caller's.
  void stop();

  // Runs `f` on the loop and waits for its value.
  template <class F>
  auto call(F f) {
    std::promise<decltype(f())> promise;
    auto result = promise.get_future();
    post([&] {
      if constexpr (std::is_void_v<decltype(f())>) {
        f();
        promise.set_value();
      } else {
        promise.set_value(f());
      }
    });
    return result.get();
  }

 private:
  void run();
  void wait(std::unique_lock<std::mutex>&);
  void run_timers();

  const env::Clock& clock_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<env::Task> queue_;  // guarded
  bool sleeping_ = false;         // guarded
  bool stopping_ = false;         // guarded
  // The loop's own.
  std::map<std::pair<Instant, env::TimerId>, env::Task> timers_;
  std::unordered_map<env::TimerId, Instant> due_;
  env::TimerId last_timer_ = 0;
  std::thread thread_;
};

class ThreadWorker final : public env::Worker {
 public:
  ThreadWorker(env::Loop& loop, std::string name);
  ~ThreadWorker() override;  // finishes what was given
  void run(env::Task work, env::Task done) override;

 private:
  struct Job {
    env::Task work, done;
  };
  void loop();

  env::Loop& loop_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Job> queue_;  // guarded
  bool stopping_ = false;   // guarded
  std::thread thread_;
};

}  // namespace ingot::host
