// A factory's machine part for tests: a real loop and clock, a data directory and factory id of its own, containerd,
// pod network and runtime on top, and everything removed at the end, whatever the test did.
// Thread rule: the test's thread drives the loop.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <random>

#include "env/testing.h"
#include "host/containerd.h"
#include "host/cri_runtime.h"
#include "host/images.h"
#include "host/network.h"
#include "host/pod_files.h"
#include "host/real_env.h"
#include "host/teardown.h"

namespace ingot::host {

using namespace std::chrono_literals;

// Waits for what is posted or due; run_until gives a test up after two minutes.
class RealLoop final : public env::Loop {
 public:
  explicit RealLoop(RealClock& clock) : clock_(clock) {}
  void post(env::Task task) override {
    std::lock_guard lock(mutex_);
    ready_.push_back(std::move(task));
    wake_.notify_one();
  }
  env::TimerId at(Instant when, env::Task task) override {
    std::lock_guard lock(mutex_);
    timers_.emplace(std::pair(when, ++last_), std::move(task));
    wake_.notify_one();
    return last_;
  }
  void cancel(env::TimerId id) override {
    std::lock_guard lock(mutex_);
    std::erase_if(timers_, [id](const auto& timer) { return timer.first.second == id; });
  }
  bool run_until(const std::function<bool()>& done, Duration most = 2min) {
    const Instant end = clock_.now() + most;
    while (!done()) {
      if (clock_.now() >= end) return false;
      run_one(end);
    }
    return true;
  }

 private:
  void run_one(Instant end) {
    std::unique_lock lock(mutex_);
    if (ready_.empty()) {
      Instant until = timers_.empty() ? end : std::min(end, timers_.begin()->first.first);
      wake_.wait_for(lock, std::max<Duration>(until - clock_.now(), 0ns), [this] { return !ready_.empty(); });
    }
    env::Task task;
    if (!ready_.empty()) {
      task = std::move(ready_.front());
      ready_.pop_front();
    } else if (!timers_.empty() && timers_.begin()->first.first <= clock_.now()) {
      task = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
    }
    lock.unlock();
    if (task) task();
  }
  RealClock& clock_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<env::Task> ready_;
  std::map<std::pair<Instant, env::TimerId>, env::Task> timers_;
  env::TimerId last_ = 0;
};

// Why this machine cannot run these tests; "" when it can.
std::string why_no_machine();

class NodeMachine : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  void start();           // containerd, network and runtime; waits until they answer
  void forget();          // as a crash of ours does: objects gone, containerd and pods left
  std::string busybox();  // the image id of an image of one static busybox

  // Calls an asynchronous operation and waits for its answer.
  template <class T, class Operation>
  Result<T> wait(Operation operation) {
    std::optional<Result<T>> result;
    operation([&result](Result<T> r) { result = std::move(r); });
    if (!loop_.run_until([&] { return result.has_value(); }))
      return fail(Reason::Timeout, "no answer in two minutes");
    return std::move(*result);
  }

  node::SandboxSpec pod(const std::string& name, const std::string& cluster);
  node::ContainerSpec shell(const std::string& script);
  // Runs a sandbox with one container; fails the test on any error.
  struct Running {
    node::SandboxSpec spec;
    std::string sandbox, container;
  };
  Running run(const std::string& name, const std::string& cluster, const node::ContainerSpec&);
  std::optional<node::SandboxStatus> status(const std::string& pod_uid);
  // The container's status once it has exited.
  std::optional<node::ContainerStatus> exited(const Running&, Duration most = 1min);
  std::string log(const Running&);
  int sh(const std::string& container, const std::string& script, Duration timeout = 20s);
  void stop(const Running&);

  RealClock clock_;
  RealLoop loop_{clock_};
  env::TestEnv fakes_;
  std::optional<env::Env> env_;
  MachinePaths paths_;
  MachineNames names_;
  std::unique_ptr<Containerd> containerd_;
  std::optional<PodNetwork> network_;
  std::unique_ptr<env::Blobs> blobs_;
  std::unique_ptr<Artifacts> artifacts_;
  std::unique_ptr<DatasetCache> datasets_;
  std::unique_ptr<node::Runtime> runtime_;
  std::vector<std::string> changes_;  // what on_change told
  int pods_made_ = 0;
};

}  // namespace ingot::host
