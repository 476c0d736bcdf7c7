// The ports to the world. One `Env` per shard; everything in it outlives the shard.
// Thread rule: Loop::post and Log::event from any thread; everything else from the loop's own thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "base/time.h"

namespace ingot::env {

using Task = std::move_only_function<void()>;
using TimerId = uint64_t;  // 0 is never a timer

struct Clock {
  virtual ~Clock() = default;
  virtual Instant now() const = 0;    // never goes back
  virtual WallTime wall() const = 0;  // may be corrected, even backwards
};

// Runs tasks one after another. A posted task never runs inline. A cancelled timer's task never runs.
struct Loop {
  virtual ~Loop() = default;
  virtual void post(Task) = 0;
  virtual TimerId at(Instant, Task) = 0;
  virtual void cancel(TimerId) = 0;  // of an id that has run or was cancelled: nothing
};

// Runs `work` off the loop, then posts `done` to it. Works given to one Worker run in order, one at a time.
struct Worker {
  virtual ~Worker() = default;
  virtual void run(Task work, Task done) = 0;
};

struct Entropy {
  virtual ~Entropy() = default;
  virtual uint64_t next() = 0;  // uniform; unpredictable outside sim/
};

// Where the store's files live: the name of a registered SQLite VFS, "" for SQLite's own.
struct Disk {
  virtual ~Disk() = default;
  virtual std::string vfs() const = 0;
};

// Named places where the simulation may make something go wrong: "store.commit.skip_sync". Never true outside sim/.
struct Faults {
  virtual ~Faults() = default;
  virtual bool fires(std::string_view point) = 0;
};

// A named event with few fields, never prose: log.event("node.adopted", {{"pid", 812}}).
struct Log {
  enum class Level : uint8_t { Debug, Info, Warn, Error };
  struct Field {
    std::string_view name;
    std::variant<std::string, int64_t> value;
    Field(std::string_view n, std::string v) : name(n), value(std::move(v)) {}
    Field(std::string_view n, std::string_view v) : name(n), value(std::string(v)) {}
    Field(std::string_view n, const char* v) : name(n), value(std::string(v)) {}
    Field(std::string_view n, std::integral auto v) : name(n), value(int64_t(v)) {}
  };
  virtual ~Log() = default;
  virtual void event(Level, std::string_view name, std::initializer_list<Field> fields) = 0;
  void info(std::string_view name, std::initializer_list<Field> fields = {}) {
    event(Level::Info, name, fields);
  }
  void warn(std::string_view name, std::initializer_list<Field> fields = {}) {
    event(Level::Warn, name, fields);
  }
  void error(std::string_view name, std::initializer_list<Field> fields = {}) {
    event(Level::Error, name, fields);
  }
};

struct Env {
  Clock& clock;
  Loop& loop;
  Worker& worker;  // the shard's own: owns its SQLite file
  Entropy& entropy;
  Disk& disk;
  Faults& faults;
  Log& log;
};

}  // namespace ingot::env
