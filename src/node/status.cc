#include "node/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "node/restart.h"

namespace ingot::node {
namespace {
using api::Json;
using api::JsonArray;
using api::JsonObject;

Json time_or_null(WallTime t) { return t == WallTime{} ? Json(nullptr) : Json(to_rfc3339(t)); }

Json terminated(const ContainerStatus& c) {
  JsonObject t{{"exitCode", c.exit_code},
               {"reason", !c.reason.empty()  ? c.reason
                          : c.exit_code == 0 ? "Completed"
                                             : "Error"},
               {"startedAt", time_or_null(c.started_at)},
               {"finishedAt", time_or_null(c.finished_at)}};
  if (!c.message.empty()) t["message"] = c.message;
  if (!c.id.empty()) t["containerID"] = "containerd://" + c.id;
  return JsonObject{{"terminated", std::move(t)}};
}

Json waiting(std::string_view reason, std::string_view message) {
  JsonObject w{{"reason", reason}};
  if (!message.empty()) w["message"] = message;
  return JsonObject{{"waiting", std::move(w)}};
}

// An exited container that shows as waiting has its exit in lastState.
bool shows_waiting(const ContainerView& view) { return !view.running() && !view.waiting_reason.empty(); }

Json state_of(const ContainerView& view, bool pod_initialized, bool init) {
  if (view.running()) {
    return JsonObject{{"running", JsonObject{{"startedAt", time_or_null(view.current->started_at)}}}};
  }
  if (shows_waiting(view)) return waiting(view.waiting_reason, view.waiting_message);
  if (view.exited()) return terminated(*view.current);
  return waiting(!init && !pod_initialized ? "PodInitializing" : "ContainerCreating", "");
}

Json container_status(const ContainerDef& def, const ContainerView& view, bool pod_initialized) {
  JsonObject s{{"name", def.name},
               {"image", def.image},
               {"imageID", view.current ? view.current->image_ref : ""},
               {"restartCount", view.restart_count()},
               {"ready", view.ready},
               {"started", view.started},
               {"state", state_of(view, pod_initialized, def.init)},
               {"lastState", JsonObject{}}};
  if (view.current && !view.current->id.empty()) s["containerID"] = "containerd://" + view.current->id;
  if (shows_waiting(view) && view.exited())
    s["lastState"] = terminated(*view.current);
  else if (view.previous)
    s["lastState"] = terminated(*view.previous);
  return s;
}

// What getPhase counts of one container: a crashed one that waits for its restart is stopped.
enum class Seen : uint8_t { Waiting, Running, Stopped, Succeeded };
Seen seen(const ContainerView& view) {
  if (view.running()) return Seen::Running;
  if (view.exited()) return view.current->exit_code == 0 ? Seen::Succeeded : Seen::Stopped;
  return view.follows ? Seen::Running : Seen::Waiting;  // the pod has begun
}

bool init_done(const ContainerDef& def, const ContainerView& view) {
  return def.sidecar ? view.started : view.exited() && view.current->exit_code == 0;
}

struct Condition {
  std::string_view type;
  bool value;
  std::string reason, message;
};

Json render(const Condition& c, const JsonArray& before, WallTime now) {
  const std::string_view status = c.value ? "True" : "False";
  std::string since = to_rfc3339(now);
  for (const Json& old : before) {
    const std::string_view at = api::string_at(old, {"lastTransitionTime"});
    if (api::string_at(old, {"type"}) == c.type && api::string_at(old, {"status"}) == status && !at.empty())
      since = at;
  }
  JsonObject o{
      {"type", c.type}, {"status", status}, {"lastProbeTime", nullptr}, {"lastTransitionTime", since}};
  if (!c.reason.empty()) o["reason"] = c.reason;
  if (!c.message.empty()) o["message"] = c.message;
  return o;
}

std::string names(const std::vector<std::string>& list) { return fmt::format("[{}]", fmt::join(list, " ")); }

Condition initialized_condition(const PodView& pod, std::string_view phase) {
  if (phase == "Succeeded") return {"Initialized", true, "PodCompleted", ""};
  std::vector<std::string> incomplete;
  for (const ContainerDef& def : pod.pod->containers)
    if (def.init && !init_done(def, pod.view(def.name))) incomplete.push_back(def.name);
  // Once main containers ran, the pod stays initialized.
  if (incomplete.empty() || initialized(pod)) return {"Initialized", true, "", ""};
  return {"Initialized", false, "ContainersNotInitialized",
          "containers with incomplete status: " + names(incomplete)};
}

Condition containers_ready(const PodView& pod, std::string_view phase) {
  if (phase == "Succeeded") return {"ContainersReady", false, "PodCompleted", ""};
  if (phase == "Failed") return {"ContainersReady", false, "PodFailed", ""};
  std::vector<std::string> unready;
  for (const ContainerDef& def : pod.pod->containers)
    if ((!def.init || def.sidecar) && !pod.view(def.name).ready) unready.push_back(def.name);
  if (unready.empty()) return {"ContainersReady", true, "", ""};
  return {"ContainersReady", false, "ContainersNotReady",
          "containers with unready status: " + names(unready)};
}

Condition ready(const PodView& pod, const Condition& containers) {
  if (!containers.value) return {"Ready", false, containers.reason, containers.message};
  std::vector<std::string> missing;
  for (const Json& gate : api::array_at(pod.pod->object, {"spec", "readinessGates"})) {
    const std::string_view type = api::string_at(gate, {"conditionType"});
    const JsonArray& have = api::array_at(pod.pod->object, {"status", "conditions"});
    const bool holds = std::ranges::any_of(have, [&](const Json& c) {
      return api::string_at(c, {"type"}) == type && api::string_at(c, {"status"}) == "True";
    });
    if (!holds)
      missing.push_back(fmt::format(
          "corresponding condition of pod readiness gate \"{}\" does not exist or is not True", type));
  }
  if (missing.empty()) return {"Ready", true, "", ""};
  return {"Ready", false, "ReadinessGatesNotReady", fmt::format("{}", fmt::join(missing, ", "))};
}

JsonArray conditions(const PodView& pod, std::string_view phase, WallTime now, const JsonArray& before) {
  const Condition containers = containers_ready(pod, phase);
  std::vector<Condition> own{{"PodReadyToStartContainers", pod.sandbox_ready, "", ""},
                             initialized_condition(pod, phase),
                             ready(pod, containers),
                             containers,
                             {"PodScheduled", true, "", ""}};
  if (pod.disrupted) own.push_back({"DisruptionTarget", true, "TerminationByKubelet", pod.message});
  JsonArray out;
  for (const Condition& c : own) out.push_back(render(c, before, now));
  for (const Json& other : api::array_at(pod.pod->object, {"status", "conditions"})) {
    const std::string_view type = api::string_at(other, {"type"});
    if (std::ranges::none_of(own, [&](const Condition& c) { return c.type == type; })) out.push_back(other);
  }
  return out;
}
}  // namespace

const ContainerView& PodView::view(std::string_view name) const {
  static const ContainerView kNothing;
  const auto found = containers.find(name);
  return found == containers.end() ? kNothing : found->second;
}

bool initialized(const PodView& pod) {
  // A pod whose main containers ever ran is initialized, whatever became of the records of its init containers.
  for (const ContainerDef& def : pod.pod->containers)
    if (!def.init && pod.view(def.name).current) return true;
  return std::ranges::all_of(pod.pod->containers, [&](const ContainerDef& def) {
    return !def.init || init_done(def, pod.view(def.name));
  });
}

std::string_view phase_of(const PodView& pod) {
  if (!pod.reason.empty() && pod.ended) return "Failed";
  if (!initialized(pod)) {
    for (const ContainerDef& def : pod.pod->containers) {
      const ContainerView& view = pod.view(def.name);
      if (def.init && !def.sidecar && view.exited() && view.current->exit_code != 0 &&
          (pod.pod->restart_policy == RestartPolicy::Never || pod.ended))
        return "Failed";
    }
    return pod.ended ? "Failed" : "Pending";
  }
  int waiting = 0, running = 0, succeeded = 0, total = 0, again = 0;
  for (const ContainerDef& def : pod.pod->containers) {
    if (def.init) continue;
    const ContainerView& view = pod.view(def.name);
    const Seen s = seen(view);
    again += view.exited() && restarts(*pod.pod, def, *view.current);
    waiting += s == Seen::Waiting;
    running += s == Seen::Running;
    succeeded += s == Seen::Succeeded;
    ++total;
  }
  if (pod.ended) return succeeded == total ? "Succeeded" : "Failed";
  if (waiting > 0) return "Pending";
  if (running > 0 || pod.pod->restart_policy == RestartPolicy::Always) return "Running";
  if (succeeded == total) return "Succeeded";
  return pod.pod->restart_policy == RestartPolicy::Never && again == 0 ? "Failed" : "Running";
}

api::JsonObject make_status(const PodView& pod, WallTime now, const JsonArray& before) {
  const std::string_view phase = phase_of(pod);
  const bool pod_initialized = initialized(pod);
  JsonArray main, init;
  for (const ContainerDef& def : pod.pod->containers)
    (def.init ? init : main).push_back(container_status(def, pod.view(def.name), pod_initialized));

  JsonObject status{{"phase", phase}, {"conditions", conditions(pod, phase, now, before)}};
  status["hostIP"] = pod.host_ip;
  status["hostIPs"] = JsonArray{JsonObject{{"ip", pod.host_ip}}};
  if (!pod.ip.empty()) {
    status["podIP"] = pod.ip;
    status["podIPs"] = JsonArray{JsonObject{{"ip", pod.ip}}};
  }
  status["startTime"] = time_or_null(pod.accepted_at);
  if (!init.empty()) status["initContainerStatuses"] = std::move(init);
  status["containerStatuses"] = std::move(main);
  // Null removes what an earlier patch set.
  status["reason"] = pod.reason.empty() ? Json(nullptr) : Json(pod.reason);
  status["message"] = pod.message.empty() ? Json(nullptr) : Json(pod.message);
  return status;
}

std::optional<ContainerStatus> recall(const Pod& pod, const std::string& container, WallTime now) {
  for (const std::string_view list : {"containerStatuses", "initContainerStatuses"}) {
    for (const Json& s : api::array_at(pod.object, {"status", list})) {
      if (api::string_at(s, {"name"}) != container) continue;
      const bool ran = api::find(s, {"state", "running"}) != nullptr;
      const Json* ended = api::find(s, {"state", "terminated"});
      if (!ended) ended = api::find(s, {"lastState", "terminated"});
      if (!ran && !ended) return std::nullopt;
      ContainerStatus c;
      c.name = container;
      c.state = ContainerState::Exited;
      c.attempt =
          uint32_t(std::clamp<int64_t>(api::int_at(s, {"restartCount"}).value_or(0), 0, 1'000'000'000));
      c.image_ref = api::string_at(s, {"imageID"});
      if (ran) {
        c.started_at = parse_rfc3339(api::string_at(s, {"state", "running", "startedAt"})).value_or(now);
        c.finished_at = now;
        c.exit_code = 137;
        c.reason = "ContainerStatusUnknown";
        c.message =
            "The container could not be located when the pod was looked for after a restart of the node";
        return c;
      }
      c.started_at = parse_rfc3339(api::string_at(*ended, {"startedAt"})).value_or(now);
      c.finished_at = parse_rfc3339(api::string_at(*ended, {"finishedAt"})).value_or(now);
      c.exit_code = int32_t(api::int_at(*ended, {"exitCode"}).value_or(0));
      c.reason = api::string_at(*ended, {"reason"});
      c.message = api::string_at(*ended, {"message"});
      return c;
    }
  }
  return std::nullopt;
}

}  // namespace ingot::node
