// The ports of one simulated process, over a World. A process that crashes takes its timers and unfinished work with
// it; the disk stays.
#pragma once

#include <map>
#include <set>
#include <string>

#include "env/env.h"
#include "sim/disk.h"
#include "sim/world.h"

namespace ingot::sim {

// Which fault points fire, and how often. Names are those of the code: "store.commit.fail".
class FaultPlan final : public env::Faults {
 public:
  explicit FaultPlan(World& world) : world_(world) {}
  void set(const std::string& point, double chance) { chance_[point] = chance; }
  void clear() { chance_.clear(); }
  bool fires(std::string_view point) override;
  const std::map<std::string, uint64_t, std::less<>>& fired() const { return fired_; }
  const std::set<std::string, std::less<>>& asked() const { return asked_; }

 private:
  World& world_;
  std::map<std::string, double, std::less<>> chance_;
  std::map<std::string, uint64_t, std::less<>> fired_;
  std::set<std::string, std::less<>> asked_;
};

class Ports final : public env::Clock,
                    public env::Loop,
                    public env::Worker,
                    public env::Entropy,
                    public env::Log {
 public:
  Ports(World& world, Disk& disk, FaultPlan& faults, std::string name)
      : world_(world), name_(std::move(name)), env_{*this, *this, *this, *this, disk, faults, *this} {}
  ~Ports() override { process_->alive = false; }

  env::Env& env() { return env_; }
  const ProcessPtr& process() const { return process_; }
  void kill() { process_->alive = false; }

  Instant now() const override { return world_.now(); }
  WallTime wall() const override { return world_.wall(); }
  void post(env::Task) override;
  env::TimerId at(Instant when, env::Task task) override {
    return world_.at(when, process_, std::move(task));
  }
  void cancel(env::TimerId id) override { world_.cancel(id); }
  void run(env::Task work, env::Task done) override;
  uint64_t next() override { return world_.random().next(); }
  void event(Level, std::string_view name, std::initializer_list<Field> fields) override;

 private:
  World& world_;
  std::string name_;
  ProcessPtr process_ = std::make_shared<Process>();
  Instant worker_free_{}, last_post_{};
  env::Env env_;
};

}  // namespace ingot::sim
