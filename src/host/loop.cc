#include "host/loop.h"

#include <algorithm>
#include <utility>

#include "host/short_slices.h"
#include "host/thread_name.h"

namespace ingot::host {
namespace {

constexpr Duration kLongestSleep = std::chrono::seconds(60);

}  // namespace

ThreadLoop::ThreadLoop(const env::Clock& clock, std::string name) : clock_(clock) {
  thread_ = std::thread([this, name = std::move(name)] {
    name_thread(name);
    go_first();
    run();
  });
}

ThreadLoop::~ThreadLoop() { stop(); }

void ThreadLoop::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
  timers_.clear();
  due_.clear();
}

void ThreadLoop::post(env::Task task) {
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    queue_.push_back(std::move(task));
    wake = std::exchange(sleeping_, false);
  }
  if (wake) wake_.notify_one();  // the lock is free when the other wakes
}

env::TimerId ThreadLoop::at(Instant when, env::Task task) {
  const env::TimerId id = ++last_timer_;
  timers_.emplace(std::pair(when, id), std::move(task));
  due_.emplace(id, when);
  return id;
}

void ThreadLoop::cancel(env::TimerId id) {
  const auto due = due_.find(id);
  if (due == due_.end()) return;
  timers_.erase({due->second, id});
  due_.erase(due);
}

void ThreadLoop::run() {
  std::vector<env::Task> batch;
  std::unique_lock lock(mutex_);
  while (!stopping_ || !queue_.empty()) {
    if (queue_.empty()) wait(lock);
    batch.swap(queue_);
    lock.unlock();
    for (env::Task& task : batch) {
      task();
      task = nullptr;
    }
    batch.clear();
    run_timers();
    lock.lock();
  }
}

void ThreadLoop::wait(std::unique_lock<std::mutex>& lock) {
  Duration left = kLongestSleep;
  if (!timers_.empty()) left = std::min(left, timers_.begin()->first.first - clock_.now());
  if (left <= Duration::zero()) return;
  sleeping_ = true;
  wake_.wait_for(lock, left, [this] { return !sleeping_ || stopping_; });
  sleeping_ = false;
}

void ThreadLoop::run_timers() {
  if (timers_.empty()) return;
  const Instant now = clock_.now();
  // One that a timer's task sets for now waits for the next round.
  const env::TimerId newest = last_timer_;
  while (!timers_.empty() && timers_.begin()->first.first <= now && timers_.begin()->first.second <= newest) {
    auto timer = timers_.extract(timers_.begin());
    due_.erase(timer.key().second);
    timer.mapped()();
  }
}

ThreadWorker::ThreadWorker(env::Loop& loop, std::string name) : loop_(loop) {
  thread_ = std::thread([this, name = std::move(name)] {
    name_thread(name);
    prefer_short_slices();
    this->loop();
  });
}

ThreadWorker::~ThreadWorker() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  thread_.join();
}

void ThreadWorker::run(env::Task work, env::Task done) {
  {
    std::lock_guard lock(mutex_);
    queue_.push_back({std::move(work), std::move(done)});
  }
  wake_.notify_one();
}

void ThreadWorker::loop() {
  std::vector<Job> batch;
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    batch.swap(queue_);
    lock.unlock();
    for (Job& job : batch) {
      job.work();
      loop_.post(std::move(job.done));
    }
    batch.clear();
    lock.lock();
  }
}

}  // namespace ingot::host
