// Virtual time and everything that happens in it: one queue of events in the order of (time, arrival), one source of
// chance, one hash of what happened. Nothing here reads the machine.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "env/env.h"

namespace ingot::sim {

// SplitMix64 (Steele, Lea, Flood 2014): small, seedable, the same everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  uint64_t below(uint64_t bound) { return bound ? next() % bound : 0; }
  bool chance(double p) { return double(next() >> 11) * 0x1.0p-53 < p; }
  Duration between(Duration low, Duration high) {
    return low + Duration(int64_t(below(uint64_t((high - low).count()) + 1)));
  }

 private:
  uint64_t state_;
};

// Something that can die: its events die with it.
struct Process {
  bool alive = true;
};
using ProcessPtr = std::shared_ptr<Process>;

class World {
 public:
  explicit World(uint64_t seed) : random_(seed ^ 0x1f83d9abfb41bd6bULL) {}

  Instant now() const { return now_; }
  WallTime wall() const;
  Random& random() { return random_; }

  // Runs `task` at `when` (not before now) unless its owner is dead by then.
  env::TimerId at(Instant when, const ProcessPtr& owner, env::Task task);
  void cancel(env::TimerId);
  // Runs events up to `end`, then sets the clock to it.
  void run_until(Instant end);
  // The end of the world: nothing that is queued will happen.
  void clear() { queue_.clear(), when_.clear(); }
  // Runs until nothing is due before `end` or `done` says so.
  bool run_while(Instant end, const std::function<bool()>& done);

  // Folds an event into the trace hash; with tracing on also prints it.
  void trace(std::string_view event);
  uint64_t hash() const { return hash_; }
  void print_trace(bool on) { print_ = on; }
  uint64_t events() const { return events_; }

 private:
  struct Event {
    ProcessPtr owner;
    env::Task task;
  };
  bool step(Instant end);

  Instant now_{};
  Random random_;
  std::map<std::pair<Instant, env::TimerId>, Event> queue_;
  std::map<env::TimerId, Instant> when_;
  env::TimerId last_ = 0;
  uint64_t hash_ = 0xcbf29ce484222325ULL, events_ = 0;
  bool print_ = false;
};

}  // namespace ingot::sim
