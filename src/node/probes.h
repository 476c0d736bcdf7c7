// Startup, readiness and liveness probes of one running container. Thread rule: the loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/env.h"
#include "node/pod.h"
#include "node/runtime.h"

namespace ingot::node {

enum class ProbeKind : uint8_t { Startup, Readiness, Liveness };
std::string_view to_string(ProbeKind);  // "Startup", as events name them

struct ProbeSpec {
  ProbeKind kind = ProbeKind::Readiness;
  Duration initial_delay{}, period = std::chrono::seconds(10), timeout = std::chrono::seconds(1);
  int success_threshold = 1, failure_threshold = 3;
  std::optional<int64_t> grace_s;            // terminationGracePeriodSeconds of the probe
  std::vector<std::string> command;          // exec
  std::optional<Runtime::NetProbe> network;  // httpGet, tcpSocket: always to the pod's own address
  std::string unsupported;                   // grpc: what to say; the probe then always fails
};
// nullopt: the container has no such probe. A port may be the name of one of the container's ports.
std::optional<ProbeSpec> parse_probe(const ContainerDef&, ProbeKind, const std::string& pod_ip);
// An exec or httpGet action of a lifecycle hook, in the same form.
std::optional<ProbeSpec> parse_action(const ContainerDef&, const api::Json& handler,
                                      const std::string& pod_ip);

// Counts results in a row: a verdict holds until as many of the other kind as its threshold came. Pure.
class ProbeVerdict {
 public:
  ProbeVerdict(const ProbeSpec& spec, bool initial)
      : success_threshold_(spec.success_threshold),
        failure_threshold_(spec.failure_threshold),
        good_(initial) {}
  // True when the verdict was reached anew or confirmed by this result.
  bool feed(bool success);
  bool good() const { return good_; }

 private:
  int success_threshold_, failure_threshold_, in_row_ = 0;
  bool last_ = false, good_;
};

class ContainerProbes {
 public:
  struct Listener {
    virtual ~Listener() = default;
    virtual void probes_changed() = 0;                                     // started() or ready() is another
    virtual void probe_failed(ProbeKind, const std::string& message) = 0;  // one attempt, for an event
    virtual void kill(ProbeKind, std::optional<int64_t> grace_s) = 0;  // liveness or startup gave up; once
  };
  ContainerProbes(env::Env&, Runtime&, Listener&, const ContainerDef&, std::string container_id,
                  std::string pod_ip);
  ~ContainerProbes();
  ContainerProbes(const ContainerProbes&) = delete;

  bool started() const { return started_; }
  bool ready() const { return started_ && ready_; }

 private:
  struct Running {
    ProbeSpec spec;
    ProbeVerdict verdict;
    env::TimerId timer = 0;
  };
  void begin(ProbeKind);
  void schedule(Running&, Duration);
  void attempt(Running&);
  void finished(ProbeKind, Result<int>);
  void judge(Running&, bool success);

  env::Env& env_;
  Runtime& runtime_;
  Listener& listener_;
  std::string container_id_;
  Instant born_;
  std::map<ProbeKind, Running> probes_;
  bool started_ = true, ready_ = true, gave_up_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace ingot::node
