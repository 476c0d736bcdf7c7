// What really happened on the machines, seen from below every layer that is tested: which sandbox held which device,
// from when to when. The checks compare Allocations and ledger with this.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "node/runtime.h"
#include "sim/world.h"

namespace ingot::sim {

struct Held {
  std::string pod_uid, cluster, device;
  WallTime from;
  std::optional<WallTime> to;
};

class Truth {
 public:
  explicit Truth(World& world) : world_(world) {}
  void sandbox_started(const std::string& sandbox, const node::SandboxSpec&);
  void devices_used(const std::string& sandbox, const node::SandboxSpec&,
                    const std::vector<std::string>& uuids);
  void sandbox_gone(const std::string& sandbox);

  const std::vector<Held>& held() const { return held_; }
  size_t sandboxes() const { return live_.size(); }
  bool runs(const std::string& pod_uid) const;
  // Devices that two sandboxes had at once, unless their pods `may` have them together.
  using May = std::function<bool(const std::string& pod, const std::string& other)>;
  std::vector<std::string> held_twice(const May&) const;

 private:
  struct Live {
    std::string pod_uid;
    std::vector<size_t> held;  // indices into held_
  };
  World& world_;
  std::vector<Held> held_;
  std::map<std::string, Live> live_;  // by sandbox
  struct Twice {
    std::string device, pod, other;
  };
  std::map<std::string, std::set<std::string>> owners_of_;  // device → sandboxes
  std::vector<Twice> twice_;
};

// Passes everything on to `inner`, a sandbox's end after a while, and tells the Truth.
class WatchedRuntime final : public node::Runtime {
 public:
  // `hardware`: with it all that is under way is gone.
  WatchedRuntime(std::unique_ptr<node::Runtime> inner, Truth& truth, World& world, ProcessPtr hardware)
      : inner_(std::move(inner)), truth_(truth), world_(world), hardware_(std::move(hardware)) {}
  ~WatchedRuntime() override;  // the machine is gone, and with it all it ran

  void run_sandbox(const node::SandboxSpec&, node::Callback<std::string>) override;
  void create_container(const std::string&, const node::SandboxSpec&, const node::ContainerSpec&,
                        node::Callback<std::string>) override;
  void start_container(const std::string& id, node::Callback<void> done) override {
    inner_->start_container(id, std::move(done));
  }
  void stop_container(const std::string& id, Duration grace, node::Callback<void> done) override {
    inner_->stop_container(id, grace, std::move(done));
  }
  void remove_container(const std::string& id, node::Callback<void> done) override {
    inner_->remove_container(id, std::move(done));
  }
  void stop_sandbox(const std::string&, node::Callback<void>) override;
  void remove_sandbox(const std::string&, node::Callback<void>) override;
  void list(node::Callback<std::vector<node::SandboxStatus>> done) override { inner_->list(std::move(done)); }
  void exec(const std::string& c, const std::vector<std::string>& argv, Duration t,
            node::Callback<int> done) override {
    inner_->exec(c, argv, t, std::move(done));
  }
  void probe(const NetProbe& p, node::Callback<int> done) override { inner_->probe(p, std::move(done)); }
  void bring(const node::Bring& what, node::Callback<node::Brought> done) override {
    inner_->bring(what, std::move(done));
  }
  void ask(const node::HttpAsk& what, node::Callback<node::HttpAnswer> done) override {
    inner_->ask(what, std::move(done));
  }
  void datasets(const node::DatasetsWanted& wanted, node::Callback<std::vector<std::string>> done) override {
    inner_->datasets(wanted, std::move(done));
  }
  void left(const node::LeftBy& by, node::Callback<node::Left> done) override {
    inner_->left(by, std::move(done));
  }
  void on_change(std::function<void(const std::string&)> changed) override {
    inner_->on_change(std::move(changed));
  }

 private:
  std::unique_ptr<node::Runtime> inner_;
  Truth& truth_;
  World& world_;
  ProcessPtr hardware_;
  std::map<std::string, bool> mine_;
};

}  // namespace ingot::sim
