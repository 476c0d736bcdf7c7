// Facts: upstream's printPod (pkg/printers/internalversion/printers.go): what STATUS, READY and RESTARTS say.
#include <algorithm>

#include "api/table_cells.h"
#include "base/assert.h"

namespace ingot::api {
namespace {

struct Summary {
  std::string status, restarts_at;  // of the last restart, RFC 3339
  int64_t restarts = 0, ready = 0, total = 0;
};

bool condition(const Json& pod, std::string_view type) {
  for (const Json& c : array_at(pod, {"status", "conditions"}))
    if (string_at(c, {"type"}) == type) return string_at(c, {"status"}) == "True";
  return false;
}

// "Error", or "Signal:9", or "ExitCode:1".
std::string ended(const Json& terminated) {
  if (const std::string_view reason = string_at(terminated, {"reason"}); !reason.empty())
    return std::string(reason);
  if (const int64_t signal = int_at(terminated, {"signal"}).value_or(0))
    return "Signal:" + std::to_string(signal);
  return "ExitCode:" + std::to_string(int_at(terminated, {"exitCode"}).value_or(0));
}

void count_restarts(Summary& sum, const Json& status) {
  sum.restarts += int_at(status, {"restartCount"}).value_or(0);
  const std::string_view at = string_at(status, {"lastState", "terminated", "finishedAt"});
  if (at > std::string_view(sum.restarts_at)) sum.restarts_at = at;
}

bool is_sidecar(const Json& pod, std::string_view name) {
  for (const Json& c : array_at(pod, {"spec", "initContainers"}))
    if (string_at(c, {"name"}) == name) return string_at(c, {"restartPolicy"}) == "Always";
  return false;
}

// True while an init container still has its turn.
bool initializing(const Json& pod, Summary& sum, Summary& sidecars) {
  const JsonArray& statuses = array_at(pod, {"status", "initContainerStatuses"});
  for (size_t i = 0; i < statuses.size(); ++i) {
    const bool sidecar = is_sidecar(pod, string_at(statuses[i], {"name"}));
    count_restarts(sum, statuses[i]);
    if (sidecar) count_restarts(sidecars, statuses[i]);
    const Json* terminated = find(statuses[i], {"state", "terminated"});
    const std::string_view waiting = string_at(statuses[i], {"state", "waiting", "reason"});
    if (terminated && int_at(*terminated, {"exitCode"}).value_or(0) == 0) continue;
    if (sidecar && bool_at(statuses[i], {"started"})) {
      if (bool_at(statuses[i], {"ready"})) ++sum.ready;
      continue;
    }
    if (terminated)
      sum.status = "Init:" + ended(*terminated);
    else if (!waiting.empty() && waiting != "PodInitializing")
      sum.status = "Init:" + std::string(waiting);
    else
      sum.status = "Init:" + std::to_string(i) + "/" +
                   std::to_string(array_at(pod, {"spec", "initContainers"}).size());
    return true;
  }
  return false;
}

void containers(const Json& pod, Summary& sum) {
  const JsonArray& statuses = array_at(pod, {"status", "containerStatuses"});
  bool running = false;
  for (size_t i = statuses.size(); i-- > 0;) {
    const Json& status = statuses[i];
    count_restarts(sum, status);
    const std::string_view waiting = string_at(status, {"state", "waiting", "reason"});
    const Json* terminated = find(status, {"state", "terminated"});
    if (!waiting.empty())
      sum.status = waiting;
    else if (terminated)
      sum.status = ended(*terminated);
    else if (bool_at(status, {"ready"}) && find(status, {"state", "running"})) {
      running = true;
      ++sum.ready;
    }
  }
  if (sum.status == "Completed" && running) sum.status = condition(pod, "Ready") ? "Running" : "NotReady";
}

Summary summarize(const Json& pod) {
  Summary sum, sidecars;
  const std::string_view phase = string_at(pod, {"status", "phase"}),
                         reason = string_at(pod, {"status", "reason"});
  sum.status = reason.empty() ? phase : reason;
  for (const Json& c : array_at(pod, {"status", "conditions"}))
    if (string_at(c, {"type"}) == "PodScheduled" && string_at(c, {"reason"}) == "SchedulingGated")
      sum.status = "SchedulingGated";
  sum.total = int64_t(array_at(pod, {"spec", "containers"}).size());
  for (const Json& c : array_at(pod, {"spec", "initContainers"}))
    sum.total += string_at(c, {"restartPolicy"}) == "Always";
  const bool init = initializing(pod, sum, sidecars);
  if (!init || condition(pod, "Initialized")) {
    sum.restarts = sidecars.restarts;
    sum.restarts_at = sidecars.restarts_at;
    containers(pod, sum);
  }
  if (!string_at(pod, {"metadata", "deletionTimestamp"}).empty()) {
    if (reason == "NodeLost")
      sum.status = "Unknown";
    else if (phase != "Succeeded" && phase != "Failed")
      sum.status = "Terminating";
  }
  return sum;
}

std::string or_none(std::string_view text) { return text.empty() ? "<none>" : std::string(text); }

std::string gates(const Json& pod) {
  const JsonArray& list = array_at(pod, {"spec", "readinessGates"});
  if (list.empty()) return "<none>";
  const auto met = std::ranges::count_if(
      list, [&](const Json& g) { return condition(pod, string_at(g, {"conditionType"})); });
  return std::to_string(met) + "/" + std::to_string(list.size());
}

}  // namespace

CellValue pod_cell(std::string_view name, const Json& pod, WallTime now) {
  if (name == "pod-ip") return or_none(string_at(pod, {"status", "podIP"}));
  if (name == "pod-node") return or_none(string_at(pod, {"spec", "nodeName"}));
  if (name == "pod-nominated") return or_none(string_at(pod, {"status", "nominatedNodeName"}));
  if (name == "pod-gates") return gates(pod);
  const Summary sum = summarize(pod);
  if (name == "pod-ready") return std::to_string(sum.ready) + "/" + std::to_string(sum.total);
  if (name == "pod-status") return sum.status;
  ASSERT(name == "pod-restarts");
  std::string text = std::to_string(sum.restarts);
  if (sum.restarts > 0 && !sum.restarts_at.empty()) text += " (" + age_of(sum.restarts_at, now) + " ago)";
  return text;
}

}  // namespace ingot::api
