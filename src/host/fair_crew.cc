#include "host/fair_crew.h"

#include <utility>

namespace ingot::host {
namespace {
constexpr size_t kMostWaiting = 10'000;
}

FairCrew::~FairCrew() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (auto& [tenant, line] : lines_) line.waiting.clear();
    for (const Stop& stop : running_) *stop = true;
  }
  crew_.stop();
}

bool FairCrew::post(const std::string& tenant, Stop stop, env::Task work) {
  if (!stop) stop = std::make_shared<std::atomic<bool>>(false);
  std::lock_guard lock(mutex_);
  if (stopping_) return true;
  Line& line = lines_[tenant];
  if (line.running >= of_one_) {
    if (waiting_ >= kMostWaiting) return false;
    ++waiting_;
    line.waiting.emplace_back(std::move(stop), std::move(work));
    return true;
  }
  ++line.running;
  running_.insert(stop);
  crew_.post([this, tenant, stop, work = std::move(work)]() mutable { run(tenant, stop, std::move(work)); });
  return true;
}

void FairCrew::run(const std::string& tenant, Stop stop, env::Task work) {
  work();
  work = nullptr;
  std::lock_guard lock(mutex_);
  running_.erase(running_.find(stop));
  const auto found = lines_.find(tenant);
  Line& line = found->second;
  if (line.waiting.empty()) {
    if (--line.running == 0) lines_.erase(found);
    return;
  }
  auto [next_stop, next] = std::move(line.waiting.front());
  line.waiting.pop_front();
  --waiting_;
  running_.insert(next_stop);
  crew_.post([this, tenant, next_stop, next = std::move(next)]() mutable {
    run(tenant, next_stop, std::move(next));
  });
}

}  // namespace ingot::host
