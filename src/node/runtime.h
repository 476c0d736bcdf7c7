// A container runtime as the agent needs it; CRI's words (k8s.io/cri-api runtime/v1). Implemented on containerd
// (host/), by hollow pods (hollow.h), and in the simulation.
// Thread rule: the loop. Callbacks never run inline. Every operation is idempotent: running a sandbox for a pod UID
// and attempt that exists returns it; stopping or removing what is gone succeeds.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "node/artifact.h"
#include "node/http_step.h"

namespace ingot::node {

struct Limits {
  int64_t cpu_shares = 2, cpu_quota_us = 0, cpu_period_us = 100'000;  // quota 0 = none
  int64_t memory_bytes = 0;                                           // 0 = none
  int64_t oom_score_adj = 0;
};

struct Mount {
  std::string host_path, container_path;
  bool read_only = false;
};
struct DeviceNode {
  std::string host_path, container_path, permissions = "rw";
};

struct SandboxSpec {
  std::string pod_uid, pod_name, pod_namespace, cluster;
  uint32_t attempt = 0;
  std::string hostname;
  std::string log_directory;
  std::map<std::string, std::string> annotations;  // the pod's; hollow pods read their script here
  std::vector<std::string> tenant_peers;           // reserved for network policy
};

struct Security {
  std::optional<int64_t> run_as_user, run_as_group;
  std::vector<int64_t> supplemental_groups;
  bool read_only_root = false;
  bool run_as_non_root = false;
  std::vector<std::string> add_capabilities, drop_capabilities;
  // The rest is not a choice: RuntimeDefault seccomp, no_new_privileges, no privileged, masked paths.
};

struct ContainerSpec {
  std::string name;
  uint32_t attempt = 0;
  std::string image;  // a digest the runtime holds: "sha256:…"
  std::vector<std::string> command, args;
  std::vector<std::pair<std::string, std::string>> env;
  std::string working_dir;
  std::vector<Mount> mounts;
  std::vector<DeviceNode> devices;
  Limits limits;
  Security security;
  std::string log_path;  // relative to the sandbox's log_directory: "main/0.log"
  bool tty = false, stdin = false;
  bool init = false;  // must end before others start; hollow pods let it end at once
};

enum class ContainerState : uint8_t { Created, Running, Exited, Unknown };

struct ContainerStatus {
  std::string id, name;
  uint32_t attempt = 0;
  ContainerState state = ContainerState::Unknown;
  std::string image_ref;
  WallTime created_at{}, started_at{}, finished_at{};
  int32_t exit_code = 0;
  std::string reason;  // "OOMKilled", "Completed", "Error"…
  std::string message;
};
struct SandboxStatus {
  std::string id, pod_uid, pod_name, pod_namespace, cluster;
  uint32_t attempt = 0;
  bool ready = false;
  std::string ip;
  WallTime created_at{};
  std::vector<ContainerStatus> containers;
};

// What a step is to find before its containers start: artifact I as DIRECTORY/I/data.
struct Bring {
  std::string sandbox, cluster, directory;
  std::string hosts;  // the text of the containers' /etc/hosts
  std::vector<ArtifactIn> artifacts;
  int64_t user = 0, group = 0;  // whose the files are
  Stop stop;
};
// Of each, whether it is there: one that is optional may not be.
using Brought = std::vector<bool>;

// Versions of data sets that a pod mounts, by their manifests.
struct DatasetsWanted {
  std::string cluster;
  std::string
      marks;  // a directory of the pod's: what is used is noted there, and is used while that is there
  std::vector<Digest> manifests;
  Stop stop;
};

// What an ended container is asked for, and what it left.
struct LeftBy {
  std::string container, cluster;
  std::string log;                 // its log's file, where what it wrote to standard output is wanted
  std::vector<std::string> files;  // absolute paths in it
  std::vector<Mount> mounts;       // what of these lies on volumes
  size_t most_bytes = 0;           // of the log, and of all files together
  std::vector<ArtifactOut> artifacts;
  Stop stop;
};
struct Left {
  std::string out;
  std::map<std::string, Result<std::string>> files;
  std::map<std::string, Result<Kept>> artifacts;  // by name; NotFound: nothing lies at its path
};

template <class T>
using Callback = std::move_only_function<void(Result<T>)>;

struct Runtime {
  virtual ~Runtime() = default;
  virtual void run_sandbox(const SandboxSpec&, Callback<std::string /*sandbox id*/>) = 0;
  virtual void create_container(const std::string& sandbox, const SandboxSpec&, const ContainerSpec&,
                                Callback<std::string /*container id*/>) = 0;
  virtual void start_container(const std::string& id, Callback<void>) = 0;
  virtual void stop_container(const std::string& id, Duration grace, Callback<void>) = 0;
  virtual void remove_container(const std::string& id, Callback<void>) = 0;
  virtual void stop_sandbox(const std::string& id,
                            Callback<void>) = 0;  // its network and processes are gone after
  virtual void remove_sandbox(const std::string& id, Callback<void>) = 0;
  // Everything this runtime runs for this node, with containers.
  virtual void list(Callback<std::vector<SandboxStatus>>) = 0;
  // The same for one pod's sandboxes (every attempt). A runtime that can ask for less overrides it.
  virtual void inspect(const std::string& pod_uid, Callback<std::vector<SandboxStatus>> done) {
    list([pod_uid, done = std::move(done)](Result<std::vector<SandboxStatus>> all) mutable {
      if (all) std::erase_if(*all, [&](const SandboxStatus& s) { return s.pod_uid != pod_uid; });
      done(std::move(all));
    });
  }
  // Runs argv inside; exit code. For exec probes.
  virtual void exec(const std::string& container, const std::vector<std::string>& argv, Duration timeout,
                    Callback<int>) = 0;
  // httpGet/tcpSocket probes from the node to the pod's address: HTTP status, or 200 once a TCP connection opened.
  struct NetProbe {
    std::string ip, scheme /*"http", "https", "tcp"*/, path;
    int port = 0;
    std::vector<std::pair<std::string, std::string>> headers;
    Duration timeout{};
  };
  virtual void probe(const NetProbe&, Callback<int>) = 0;
  // Before the first container of a step is made. What is there already is not brought again.
  virtual void bring(const Bring&, Callback<Brought>) = 0;
  // What the pod would be answered, within its own network. An error: there was no answer, and why.
  virtual void ask(const HttpAsk&, Callback<HttpAnswer>) = 0;
  // Each as a directory of files that nobody may change; made where it is not there. NotFound, naming it, for what the cluster
  // does not hold.
  virtual void datasets(const DatasetsWanted&, Callback<std::vector<std::string>>) = 0;
  // Of a container that has ended and is not removed.
  virtual void left(const LeftBy&, Callback<Left> done) = 0;
  // `changed(pod uid)` after anything about that pod changed by itself (a container exited); "" = look at all.
  virtual void on_change(std::function<void(const std::string& pod_uid)> changed) = 0;
};

// Files the agent makes for pods: emptyDir, ConfigMap, Secret and token volumes, /etc/hosts, logs.
struct Files {
  virtual ~Files() = default;
  // Creates <pod>/volumes/<volume> with `content` (relative path → bytes, mode), swapped in atomically; returns its
  // host path. `memory`: on a tmpfs.
  struct Entry {
    std::string bytes;
    uint32_t mode = 0644;
  };
  virtual Result<std::string> write_volume(const std::string& pod_uid, const std::string& volume,
                                           const std::map<std::string, Entry>& content, bool memory) = 0;
  virtual Result<std::string> empty_volume(const std::string& pod_uid, const std::string& volume, bool memory,
                                           int64_t size_limit_bytes) = 0;
  virtual std::string log_directory(const std::string& pod_uid) = 0;
  virtual std::string artifact_directory(const std::string& pod_uid) = 0;  // made by who brings them
  virtual std::string dataset_marks(const std::string& pod_uid) = 0;       // the same
  virtual void remove_pod(const std::string& pod_uid) = 0;                 // volumes and logs
};

}  // namespace ingot::node
