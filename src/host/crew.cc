#include "host/crew.h"

#include <system_error>
#include <utility>

#include "host/processors.h"
#include "host/thread_name.h"

namespace ingot::host {

Crew::Crew(int threads, std::string name) : most_(size_t(threads)), name_(std::move(name)) {}

Crew::~Crew() { stop(); }

void Crew::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Crew::post(env::Task task) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    tasks_.push_back(std::move(task));
    if (idle_ < tasks_.size() && threads_.size() < most_) start();
  }
  wake_.notify_one();
}

void Crew::start() {
  try {
    threads_.emplace_back([this] { run(); });
  } catch (const std::system_error&) {
    // The machine gives no more threads now: what waits is done by those there are, or with the next that comes.
  }
}

void Crew::run() {
  name_thread(name_);
  const AnyProcessor any;  // whoever posted first may have to stay on one
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
    --idle_;
    if (tasks_.empty()) return;
    env::Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

}  // namespace ingot::host
