// A few threads that do what waits for disks, each started when there is work for it. Thread rule: post() from any thread. Tasks
// begin in the order of posting; those posted before stop() are done before it returns.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "env/env.h"

namespace ingot::host {

class Crew {
 public:
  Crew(int threads, std::string name);  // so many at most
  ~Crew();                              // stop()
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  void post(env::Task);
  void stop();  // from none of its own threads; what is posted from then on is dropped

 private:
  void start();
  void run();

  const size_t most_;
  const std::string name_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<env::Task> tasks_;       // guarded
  size_t idle_ = 0;                   // guarded; threads that wait for a task
  bool stopping_ = false;             // guarded
  std::vector<std::thread> threads_;  // guarded until stop()
};

}  // namespace ingot::host
