#include "ingot/firewall.h"

namespace ingot {

Result<void> Firewall::set(const std::string& sandbox, node::PodAddress address) {
  const auto [at, fresh] = pods_.try_emplace(sandbox, address);
  if (!fresh && at->second == address) return {};
  at->second = std::move(address);
  return apply();
}

void Firewall::remove(const std::string& sandbox) {
  if (pods_.erase(sandbox) == 0) return;
  if (auto applied = apply(); !applied)
    log_.error("firewall.not_applied", {{"error", applied.error().message}});
}

Result<void> Firewall::apply() {
  state_.pods.clear();
  for (const auto& [sandbox, address] : pods_) state_.pods.push_back(address);
  return nft_.apply(node::ruleset(state_));
}

namespace {

using namespace node;

class GuardedRuntime final : public Runtime {
 public:
  GuardedRuntime(std::unique_ptr<Runtime> inner, Firewall& firewall)
      : inner_(std::move(inner)), firewall_(firewall) {}

  void run_sandbox(const SandboxSpec& spec, Callback<std::string> done) override {
    inner_->run_sandbox(
        spec, [this, uid = spec.pod_uid, done = std::move(done)](Result<std::string> id) mutable {
          if (!id) return done(std::move(id));
          inner_->inspect(uid, [this, id = *id,
                                done = std::move(done)](Result<std::vector<SandboxStatus>> found) mutable {
            if (!found) return done(fail(found.error()));
            if (auto admitted = admit(*found); !admitted) return done(fail(admitted.error()));
            done(std::move(id));
          });
        });
  }
  void stop_sandbox(const std::string& id, Callback<void> done) override {
    firewall_.remove(id);  // before its address is free for another tenant's pod
    inner_->stop_sandbox(id, std::move(done));
  }
  void list(Callback<std::vector<SandboxStatus>> done) override {
    inner_->list([this, done = std::move(done)](Result<std::vector<SandboxStatus>> found) mutable {
      if (found) (void)admit(*found);  // those of an earlier run
      done(std::move(found));
    });
  }
  void inspect(const std::string& uid, Callback<std::vector<SandboxStatus>> done) override {
    inner_->inspect(uid, std::move(done));
  }
  void create_container(const std::string& sandbox, const SandboxSpec& spec, const ContainerSpec& container,
                        Callback<std::string> done) override {
    inner_->create_container(sandbox, spec, container, std::move(done));
  }
  void start_container(const std::string& id, Callback<void> done) override {
    inner_->start_container(id, std::move(done));
  }
  void stop_container(const std::string& id, Duration grace, Callback<void> done) override {
    inner_->stop_container(id, grace, std::move(done));
  }
  void remove_container(const std::string& id, Callback<void> done) override {
    inner_->remove_container(id, std::move(done));
  }
  void remove_sandbox(const std::string& id, Callback<void> done) override {
    inner_->remove_sandbox(id, std::move(done));
  }
  void exec(const std::string& container, const std::vector<std::string>& argv, Duration timeout,
            Callback<int> done) override {
    inner_->exec(container, argv, timeout, std::move(done));
  }
  void probe(const NetProbe& probe, Callback<int> done) override { inner_->probe(probe, std::move(done)); }
  void bring(const Bring& what, Callback<Brought> done) override { inner_->bring(what, std::move(done)); }
  void ask(const HttpAsk& what, Callback<HttpAnswer> done) override { inner_->ask(what, std::move(done)); }
  void datasets(const DatasetsWanted& wanted, Callback<std::vector<std::string>> done) override {
    inner_->datasets(wanted, std::move(done));
  }
  void left(const LeftBy& by, Callback<Left> done) override { inner_->left(by, std::move(done)); }
  void on_change(std::function<void(const std::string&)> changed) override {
    inner_->on_change(std::move(changed));
  }

 private:
  Result<void> admit(const std::vector<SandboxStatus>& sandboxes) {
    for (const SandboxStatus& sandbox : sandboxes) {
      if (!sandbox.ready || sandbox.ip.empty()) continue;
      if (auto set = firewall_.set(sandbox.id, {.ip = sandbox.ip, .cluster = sandbox.cluster}); !set)
        return set;
    }
    return {};
  }
  const std::unique_ptr<Runtime> inner_;
  Firewall& firewall_;
};

}  // namespace

std::unique_ptr<node::Runtime> guarded(std::unique_ptr<node::Runtime> inner, Firewall& firewall) {
  return std::make_unique<GuardedRuntime>(std::move(inner), firewall);
}

}  // namespace ingot
