#include "controllers/node_health.h"

#include <algorithm>

#include "controllers/placement_writes.h"
#include "scheduler/objects.h"

namespace ingot::controllers {
namespace {

using api::array_at;
using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr std::string_view kUnreachable = "node.kubernetes.io/unreachable";
constexpr std::string_view kNotReady = "node.kubernetes.io/not-ready";

std::string ready_status(const Json& node) {
  for (const Json& c : array_at(node, {"status", "conditions"}))
    if (string_at(c, {"type"}) == "Ready") return std::string(string_at(c, {"status"}));
  return "";
}

bool no_execute(const Json& taint) { return string_at(taint, {"effect"}) == "NoExecute"; }

}  // namespace

bool is_silent(const Json& node) {
  return api::find(node, {"metadata", "annotations", kReadyBefore}) != nullptr;
}

void mark_silent(Json& node, WallTime now) {
  std::string before = ready_status(node);
  if (before != "True") before = "False";
  api::set(node, {"metadata", "annotations", kReadyBefore}, before);
  for (const std::string_view type : {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"})
    set_condition(node, type, "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.", now);
}

void mark_heard(Json& node, WallTime now) {
  const bool ready = string_at(node, {"metadata", "annotations", kReadyBefore}) == "True";
  api::erase(node, {"metadata", "annotations", kReadyBefore});
  if (ready_status(node) != "Unknown") return;  // the agent has said so itself
  set_condition(node, "Ready", ready ? "True" : "False", "NodeHeardAgain",
                "the node's agent renews its lease again", now);
  for (const std::string_view type : {"MemoryPressure", "DiskPressure", "PIDPressure"})
    set_condition(node, type, "False", "NodeHeardAgain", "", now);
}

bool settle_taints(Json& node, WallTime now) {
  const std::string ready = ready_status(node);
  const std::string_view wanted = ready == "True" ? "" : ready == "Unknown" ? kUnreachable : kNotReady;
  JsonArray taints;
  bool changed = false;
  bool there[2] = {};  // the wanted one with NoSchedule, with NoExecute
  for (const Json& taint : array_at(node, {"spec", "taints"})) {
    const std::string_view key = string_at(taint, {"key"});
    if ((key == kUnreachable || key == kNotReady) && key != wanted) {
      changed = true;
      continue;
    }
    if (key == wanted) there[no_execute(taint)] = true;
    Json kept = taint;
    if (no_execute(taint) && string_at(taint, {"timeAdded"}).empty()) {
      api::set(kept, {"timeAdded"}, to_rfc3339(now));
      changed = true;
    }
    taints.push_back(std::move(kept));
  }
  for (const bool execute : {false, true}) {
    if (wanted.empty() || there[execute]) continue;
    taints.push_back(JsonObject{
        {"key", wanted}, {"effect", execute ? "NoExecute" : "NoSchedule"}, {"timeAdded", to_rfc3339(now)}});
    changed = true;
  }
  if (!changed) return false;
  if (taints.empty())
    api::erase(node, {"spec", "taints"});
  else
    api::set(node, {"spec", "taints"}, std::move(taints));
  return true;
}

std::optional<WallTime> eviction_time(const Json& node, const Json& pod) {
  std::optional<WallTime> first;
  const auto tolerations = scheduler::request_of(pod).where.tolerations;
  for (const Json& t : array_at(node, {"spec", "taints"})) {
    if (!no_execute(t)) continue;
    const scheduler::Taint taint{std::string(string_at(t, {"key"})), std::string(string_at(t, {"value"})),
                                 scheduler::Effect::NoExecute};
    const WallTime added = parse_rfc3339(string_at(t, {"timeAdded"})).value_or(WallTime{});
    // Of several tolerations the shortest holds; one without seconds tolerates for ever.
    std::optional<WallTime> due = added;
    bool tolerated = false;
    for (const scheduler::Toleration& toleration : tolerations) {
      if (!toleration.tolerates(taint)) continue;
      std::optional<WallTime> until;
      if (toleration.seconds)
        until = added + std::chrono::seconds(std::clamp<int64_t>(*toleration.seconds, 0, 1'000'000'000));
      due = !tolerated ? until : !until ? due : !due ? until : std::min(due, until);
      tolerated = true;
    }
    if (due) first = first ? std::min(*first, *due) : *due;
  }
  return first;
}

}  // namespace ingot::controllers
