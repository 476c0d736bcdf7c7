// The ports of env/ on the real machine, and one bundle of them for a shard.
// Thread rule: everything here from any thread but what loop.h says of the loop.
#pragma once

#include <cstdio>
#include <memory>
#include <mutex>
#include <string>

#include "base/error.h"
#include "env/env.h"
#include "host/loop.h"

namespace ingot::host {

struct RealClock final : env::Clock {
  Instant now() const override;
  WallTime wall() const override;
};

// getrandom(2), in blocks.
class RealEntropy final : public env::Entropy {
 public:
  uint64_t next() override;

 private:
  std::mutex mutex_;
  uint64_t block_[64];
  size_t left_ = 0;
};

struct RealDisk final : env::Disk {
  std::string vfs() const override { return ""; }
};

struct NoFaults final : env::Faults {
  bool fires(std::string_view) override { return false; }
};

// One line an event: `2026-11-22T14:20:00.123456Z info node.adopted pid=812`. Values with spaces, quotes or control
// characters are quoted and escaped, so that an event stays one line whatever a client sent.
class LineLog final : public env::Log {
 public:
  LineLog(const env::Clock& clock, Level least) : clock_(clock), least_(least), out_(stderr) {}
  ~LineLog() override;
  // Appends to `path` (0600) instead of standard error.
  Result<void> open(const std::string& path);
  void event(Level, std::string_view name, std::initializer_list<Field>) override;

 private:
  const env::Clock& clock_;
  const Level least_;
  std::mutex mutex_;
  FILE* out_;
};

struct RealEnv {
  RealClock clock;
  RealEntropy entropy;
  RealDisk disk;
  NoFaults faults;
  LineLog log;
  ThreadLoop loop{clock, "turns"};
  ThreadWorker worker{loop, "store"};
  env::Env env{clock, loop, worker, entropy, disk, faults, log};

  explicit RealEnv(env::Log::Level least = env::Log::Level::Info) : log(clock, least) {}
};

}  // namespace ingot::host
