// A runtime whose pods run no process: each container follows a script. For nodes of thousands of pods, and for the
// simulation. A pod is a few hundred bytes and one timer.
//
// The script is JSON in the pod's annotation ingot.dev/hollow: {"runSeconds": 5, "exitCode": 0, "gpuUtil": 80, "stdout":
// "text", "files": {"/path": "text"}} (the last two: what it leaves to a workflow, an artifact too), all optional; without runSeconds a container runs until it is stopped. A script that cannot be read makes the container
// exit 128 with the reason in its message. Init containers end at once with 0.
//
// Fault points: node.container.fail (a starting container exits 137 after half its time), node.sandbox.fail.
// Thread rule: the loop. It outlives agents: what it holds survives their restart.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "env/env.h"
#include "node/runtime.h"

namespace ingot::node {

// Files of pods that run no process: accepted and forgotten.
struct HollowFiles final : Files {
  Result<std::string> write_volume(const std::string&, const std::string&,
                                   const std::map<std::string, Entry>&, bool) override {
    return "";
  }
  Result<std::string> empty_volume(const std::string&, const std::string&, bool, int64_t) override {
    return "";
  }
  std::string log_directory(const std::string&) override { return ""; }
  std::string artifact_directory(const std::string&) override { return ""; }
  std::string dataset_marks(const std::string&) override { return ""; }
  void remove_pod(const std::string&) override {}
};

class HollowRuntime final : public Runtime {
 public:
  // Pods get addresses of this pattern, for show: "10.240.0.0" + a number.
  // `store`: what artifacts of its steps are kept in; nullptr: they are not.
  explicit HollowRuntime(env::Env& env, ArtifactStore* store = nullptr) : env_(env), store_(store) {}
  ~HollowRuntime() override;

  void run_sandbox(const SandboxSpec&, Callback<std::string>) override;
  void create_container(const std::string& sandbox, const SandboxSpec&, const ContainerSpec&,
                        Callback<std::string>) override;
  void start_container(const std::string& id, Callback<void>) override;
  void stop_container(const std::string& id, Duration grace, Callback<void>) override;
  void remove_container(const std::string& id, Callback<void>) override;
  void stop_sandbox(const std::string& id, Callback<void>) override;
  void remove_sandbox(const std::string& id, Callback<void>) override;
  void list(Callback<std::vector<SandboxStatus>>) override;
  void inspect(const std::string& pod_uid, Callback<std::vector<SandboxStatus>>) override;
  void exec(const std::string& container, const std::vector<std::string>& argv, Duration timeout,
            Callback<int>) override;
  void probe(const NetProbe&, Callback<int>) override;
  void bring(const Bring&, Callback<Brought>) override;
  void ask(const HttpAsk&, Callback<HttpAnswer>) override;
  void datasets(const DatasetsWanted&, Callback<std::vector<std::string>>) override;
  void left(const LeftBy&, Callback<Left>) override;
  void on_change(std::function<void(const std::string& pod_uid)> changed) override {
    changed_ = std::move(changed);
  }

  // The machine lost power: everything is gone, nobody is told.
  void power_off();
  // GPU utilisation (0–100) a running pod's script claims; 0 where it does not run.
  int gpu_utilisation(const std::string& pod_uid) const;

 private:
  struct Script {
    std::optional<Duration> run_for;
    int32_t exit_code = 0;
    int gpu_utilisation = 0;
    std::string out;
    std::map<std::string, std::string> files;
    HttpAnswer answer{.status = 200};
    std::string error;
  };
  struct Container {
    ContainerStatus status;
    bool init = false;
    std::string sandbox;
    env::TimerId timer = 0;
  };
  struct Sandbox {
    SandboxStatus status;  // its containers are in `containers_`
    Script script;
    std::vector<std::string> containers;
  };
  static Script parse_script(const SandboxSpec&);
  void finish(Container&, int32_t code, std::string reason, std::string message);
  void end_all(Sandbox&);
  SandboxStatus snapshot(const Sandbox&) const;
  template <class T>
  void answer(Callback<T> done, Result<T> result);

  void keep(std::shared_ptr<Left>, std::string cluster, std::vector<ArtifactOut> rest,
            std::map<std::string, std::string> files, Callback<Left> done);
  void look_for(std::shared_ptr<Brought>, std::string cluster, std::vector<ArtifactIn> all, size_t next,
                Callback<Brought> done);

  env::Env& env_;
  ArtifactStore* const store_;
  std::map<std::string, Sandbox> sandboxes_;     // by "uid.attempt"
  std::map<std::string, Container> containers_;  // by "uid.attempt/name/attempt"
  std::function<void(const std::string&)> changed_;
  uint32_t next_address_ = 1;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace ingot::node
