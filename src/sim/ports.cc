#include "sim/ports.h"

#include <memory>

namespace ingot::sim {
using namespace std::chrono_literals;

bool FaultPlan::fires(std::string_view point) {
  asked_.emplace(point);
  const auto it = chance_.find(point);
  if (it == chance_.end() || !world_.random().chance(it->second)) return false;
  ++fired_[std::string(point)];
  world_.trace("fault " + std::string(point));
  return true;
}

// A little later, so that what is posted at the same moment by different processes interleaves as the seed says; never
// before what this process posted earlier.
void Ports::post(env::Task task) {
  last_post_ = std::max(last_post_, world_.now() + world_.random().between(0ns, 2us));
  world_.at(last_post_, process_, std::move(task));
}

// The work happens at one moment of virtual time, its completion reaches the loop later: a crash between the two is
// a commit that is durable and that nobody was told of.
void Ports::run(env::Task work, env::Task done) {
  Instant start = std::max(world_.now(), worker_free_) + world_.random().between(20us, 400us);
  worker_free_ = start + world_.random().between(10us, 300us);
  auto both = std::make_shared<std::pair<env::Task, env::Task>>(std::move(work), std::move(done));
  world_.at(start, process_, [both] { both->first(); });
  world_.at(worker_free_, process_, [both] { both->second(); });
}

void Ports::event(Level, std::string_view name, std::initializer_list<Field> fields) {
  std::string line = name_ + " " + std::string(name);
  for (const Field& f : fields) {
    line += " " + std::string(f.name) + "=";
    if (const auto* number = std::get_if<int64_t>(&f.value))
      line += std::to_string(*number);
    else
      line += std::get<std::string>(f.value);
  }
  world_.trace(line);
}

}  // namespace ingot::sim
