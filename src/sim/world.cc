#include "sim/world.h"

#include <cstdio>

#include "base/assert.h"

namespace ingot::sim {

uint64_t Random::next() {
  uint64_t z = state_ += 0x9e3779b97f4a7c15ULL;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
  return z ^ z >> 31;
}

WallTime World::wall() const {
  using namespace std::chrono;
  return WallTime{sys_days{year{2026} / 1 / 2}} + duration_cast<microseconds>(now_.time_since_epoch());
}

env::TimerId World::at(Instant when, const ProcessPtr& owner, env::Task task) {
  if (when < now_) when = now_;
  const env::TimerId id = ++last_;
  queue_.emplace(std::pair(when, id), Event{owner, std::move(task)});
  when_.emplace(id, when);
  return id;
}

void World::cancel(env::TimerId id) {
  const auto it = when_.find(id);
  if (it == when_.end()) return;
  queue_.erase({it->second, id});
  when_.erase(it);
}

bool World::step(Instant end) {
  if (queue_.empty() || queue_.begin()->first.first > end) return false;
  const auto first = queue_.begin();
  now_ = first->first.first;
  when_.erase(first->first.second);
  Event event = std::move(first->second);
  queue_.erase(first);
  ++events_;
  if (event.owner->alive) event.task();
  return true;
}

void World::run_until(Instant end) {
  for (uint64_t steps = 0; step(end); ++steps) ASSERT(steps < 50'000'000);  // a world that never moves on
  if (now_ < end) now_ = end;
}

bool World::run_while(Instant end, const std::function<bool()>& done) {
  for (uint64_t steps = 0; !done(); ++steps) {
    ASSERT(steps < 50'000'000);
    if (!step(end)) return done();
  }
  return true;
}

void World::trace(std::string_view event) {
  for (const char c : event) hash_ = (hash_ ^ uint8_t(c)) * 0x100000001b3ULL;
  hash_ = (hash_ ^ uint64_t(now_.time_since_epoch().count())) * 0x100000001b3ULL;
  if (print_)
    std::printf("%12.6f %.*s\n", double(now_.time_since_epoch().count()) * 1e-9, int(event.size()),
                event.data());
}

}  // namespace ingot::sim
