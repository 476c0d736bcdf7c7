#include "node/probes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace ingot::node {
namespace {
using api::Json;
using std::chrono::seconds;

std::string_view field_of(ProbeKind kind) {
  switch (kind) {
    case ProbeKind::Startup:
      return "startupProbe";
    case ProbeKind::Readiness:
      return "readinessProbe";
    case ProbeKind::Liveness:
      return "livenessProbe";
  }
  return "";
}

int64_t number(const Json& probe, std::string_view field, int64_t otherwise, int64_t least) {
  return std::clamp<int64_t>(api::int_at(probe, {field}).value_or(otherwise), least, 1'000'000);
}

// A port by number or by the name of one of the container's ports; 0: there is none.
int port_of(const ContainerDef& c, const Json& holder) {
  if (const auto value = api::int_at(holder, {"port"})) return int(std::clamp<int64_t>(*value, 0, 65535));
  const std::string_view name = api::string_at(holder, {"port"});
  for (const Json& port : api::array_at(*c.spec, {"ports"}))
    if (api::string_at(port, {"name"}) == name) return int(api::int_at(port, {"containerPort"}).value_or(0));
  int value = 0;
  std::from_chars(name.data(), name.data() + name.size(), value);
  return value;
}

void read_http(const ContainerDef& c, const Json& get, const std::string& ip, ProbeSpec& spec) {
  Runtime::NetProbe net{.ip = ip, .scheme = "http", .path = "/", .port = port_of(c, get)};
  if (api::string_at(get, {"scheme"}) == "HTTPS") net.scheme = "https";
  if (const auto path = api::string_at(get, {"path"}); !path.empty())
    net.path = path.starts_with('/') ? std::string(path) : fmt::format("/{}", path);
  for (const Json& header : api::array_at(get, {"httpHeaders"}))
    net.headers.emplace_back(api::string_at(header, {"name"}), api::string_at(header, {"value"}));
  spec.network = std::move(net);
}
}  // namespace

std::string_view to_string(ProbeKind kind) {
  return kind == ProbeKind::Startup ? "Startup" : kind == ProbeKind::Readiness ? "Readiness" : "Liveness";
}

std::optional<ProbeSpec> parse_action(const ContainerDef& c, const Json& handler, const std::string& pod_ip) {
  ProbeSpec spec;
  if (const Json* exec = api::find(handler, {"exec"})) {
    for (const Json& word : api::array_at(*exec, {"command"}))
      spec.command.emplace_back(api::string_at(word, {}));
    if (spec.command.empty()) return std::nullopt;
  } else if (const Json* get = api::find(handler, {"httpGet"})) {
    read_http(c, *get, pod_ip, spec);
  } else if (const Json* tcp = api::find(handler, {"tcpSocket"})) {
    spec.network = Runtime::NetProbe{.ip = pod_ip, .scheme = "tcp", .port = port_of(c, *tcp)};
  } else if (api::find(handler, {"grpc"})) {
    spec.unsupported = "grpc probes are not supported by this node; use exec, httpGet or tcpSocket";
  } else {
    return std::nullopt;
  }
  return spec;
}

std::optional<ProbeSpec> parse_probe(const ContainerDef& c, ProbeKind kind, const std::string& pod_ip) {
  const Json* probe = api::find(*c.spec, {field_of(kind)});
  if (!probe) return std::nullopt;
  auto spec = parse_action(c, *probe, pod_ip);
  if (!spec) return std::nullopt;
  spec->kind = kind;
  spec->initial_delay = seconds(number(*probe, "initialDelaySeconds", 0, 0));
  spec->period = seconds(number(*probe, "periodSeconds", 10, 1));
  spec->timeout = seconds(number(*probe, "timeoutSeconds", 1, 1));
  spec->success_threshold = kind == ProbeKind::Readiness ? int(number(*probe, "successThreshold", 1, 1)) : 1;
  spec->failure_threshold = int(number(*probe, "failureThreshold", 3, 1));
  spec->grace_s = api::int_at(*probe, {"terminationGracePeriodSeconds"});
  if (spec->network) spec->network->timeout = spec->timeout;
  return spec;
}

bool ProbeVerdict::feed(bool success) {
  in_row_ = in_row_ > 0 && success == last_ ? in_row_ + 1 : 1;
  last_ = success;
  if (in_row_ < (success ? success_threshold_ : failure_threshold_)) return false;
  good_ = success;
  return true;
}

ContainerProbes::ContainerProbes(env::Env& env, Runtime& runtime, Listener& listener, const ContainerDef& c,
                                 std::string container_id, std::string pod_ip)
    : env_(env),
      runtime_(runtime),
      listener_(listener),
      container_id_(std::move(container_id)),
      born_(env.clock.now()) {
  for (const ProbeKind kind : {ProbeKind::Startup, ProbeKind::Readiness, ProbeKind::Liveness})
    if (auto spec = parse_probe(c, kind, pod_ip))
      probes_.emplace(kind, Running{*spec, ProbeVerdict(*spec, kind == ProbeKind::Liveness)});
  started_ = !probes_.contains(ProbeKind::Startup);
  ready_ = !probes_.contains(ProbeKind::Readiness);
  if (!started_) {
    begin(ProbeKind::Startup);
  } else {
    begin(ProbeKind::Readiness);
    begin(ProbeKind::Liveness);
  }
}

ContainerProbes::~ContainerProbes() {
  for (auto& [kind, probe] : probes_) env_.loop.cancel(probe.timer);
}

void ContainerProbes::begin(ProbeKind kind) {
  const auto it = probes_.find(kind);
  if (it == probes_.end()) return;
  // The delay counts from the container's start, also for probes that waited for the startup probe.
  const Duration passed = env_.clock.now() - born_;
  schedule(it->second, std::max<Duration>(Duration{}, it->second.spec.initial_delay - passed));
}

void ContainerProbes::schedule(Running& probe, Duration wait) {
  const ProbeKind kind = probe.spec.kind;
  probe.timer = env_.loop.at(env_.clock.now() + wait, [this, kind] { attempt(probes_.at(kind)); });
}

void ContainerProbes::attempt(Running& probe) {
  probe.timer = 0;
  const ProbeKind kind = probe.spec.kind;
  auto done = [this, kind, alive = std::weak_ptr<bool>(alive_)](Result<int> result) {
    if (!alive.expired()) finished(kind, std::move(result));
  };
  if (!probe.spec.unsupported.empty())
    finished(kind, fail(Reason::Invalid, probe.spec.unsupported));
  else if (probe.spec.network)
    runtime_.probe(*probe.spec.network, std::move(done));
  else
    runtime_.exec(container_id_, probe.spec.command, probe.spec.timeout, std::move(done));
}

void ContainerProbes::finished(ProbeKind kind, Result<int> result) {
  Running& probe = probes_.at(kind);
  const bool net = probe.spec.network.has_value();
  const bool success = result && (net ? *result >= 200 && *result < 400 : *result == 0);
  if (!success) {
    const std::string why = !result ? result.error().message
                            : net   ? fmt::format("HTTP probe failed with statuscode: {}", *result)
                                    : fmt::format("command exited with {}", *result);
    listener_.probe_failed(kind, fmt::format("{} probe failed: {}", to_string(kind), why));
  }
  judge(probe, success);
}

void ContainerProbes::judge(Running& probe, bool success) {
  const ProbeKind kind = probe.spec.kind;
  const bool decided = probe.verdict.feed(success);
  if (decided && !success && kind != ProbeKind::Readiness) {
    if (std::exchange(gave_up_, true)) return;
    return listener_.kill(kind, probe.spec.grace_s);  // no more probes: a new container gets new ones
  }
  const bool was_started = started_, was_ready = ready_;
  if (decided && kind == ProbeKind::Startup) started_ = true;
  if (decided && kind == ProbeKind::Readiness) ready_ = probe.verdict.good();
  if (kind == ProbeKind::Startup && started_) {
    begin(ProbeKind::Readiness);
    begin(ProbeKind::Liveness);
  } else {
    schedule(probe, probe.spec.period);
  }
  if (was_started != started_ || was_ready != ready_) listener_.probes_changed();
}

}  // namespace ingot::node
