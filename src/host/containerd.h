// containerd as a supervised process of the factory: its own root, state and socket beneath DATA/containerd.
// It runs in its own session and outlives us: a later start verifies and adopts it with its pods. When it dies it is
// started again; its pods' shims hold the pods meanwhile, so nothing is lost.
// Thread rule: everything on the loop's thread; open() blocks while files are written, later work does not.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "env/env.h"
#include "host/containerd_process.h"
#include "host/containerd_rpc.h"
#include "host/machine_names.h"

namespace ingot::host {

// The programs of this machine that run containers.
struct ContainerPrograms {
  std::string containerd, ctr, runc, cni_bin_dir;
};
// Everything that keeps this machine from running containers, in one line: not root, missing packages by name.
Result<ContainerPrograms> find_container_programs();

class Containerd {
 public:
  struct Options {
    MachinePaths paths;
    MachineNames names;
    ContainerPrograms programs;
    std::string pod_range;  // "10.64.16.0/20"
    int mtu = 1500;
  };

  // Writes the configuration, adopts the running containerd of these paths or starts one.
  static Result<std::unique_ptr<Containerd>> open(env::Env&, Options);
  ~Containerd();  // leaves containerd and its pods running
  Containerd(const Containerd&) = delete;

  // Calls back once the CRI answers and the pause image is there, or with what went wrong for a minute on end.
  void when_ready(std::move_only_function<void(Result<void>)>);
  // Called after each restart of containerd, once it answers again; and for each line of its event stream.
  struct Event {
    enum class Kind : uint8_t { Restarted, Exit, Oom } kind;
    std::string container;  // the CRI id of a container or sandbox; "" for Restarted
  };
  uint64_t add_observer(std::function<void(const Event&)>);
  void remove_observer(uint64_t);

  ContainerdRpc& rpc();
  const Options& options() const;
  int pid() const;       // 0 while it is down
  bool adopted() const;  // it was running before us

  // Ends containerd (not its pods) and supervises no more. Blocks until it has ended, at most `deadline`.
  void stop(Duration deadline);

 private:
  struct Impl;
  explicit Containerd(std::unique_ptr<Impl>);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot::host
