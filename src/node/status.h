// A pod's status from what is known about its containers. Pure; any thread.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "api/json.h"
#include "node/pod.h"
#include "node/runtime.h"

namespace ingot::node {

// One container: its newest attempt, the attempt before that, and why it is not running.
struct ContainerView {
  std::optional<ContainerStatus> current, previous;  // `previous` is an exited one
  std::string waiting_reason, waiting_message;       // set while the next attempt cannot start
  bool started = false;                              // the startup probe passed, or there is none
  bool ready = false;

  bool follows = false;  // it waits for those that it comes after
  bool running() const { return current && current->state == ContainerState::Running; }
  bool exited() const { return current && current->state == ContainerState::Exited; }
  uint32_t restart_count() const { return current ? current->attempt : 0; }
};

struct PodView {
  PodPtr pod;
  std::map<std::string, ContainerView, std::less<>> containers;
  std::string host_ip, ip;  // ip is "" until the sandbox has one
  bool sandbox_ready = false;
  WallTime accepted_at{};       // status.startTime
  std::string reason, message;  // why the node ended the pod: DeadlineExceeded, Terminated…; "" = it did not
  bool disrupted = false;       // … through no fault of its own: condition DisruptionTarget
  bool ended = false;           // no container runs or will run again

  const ContainerView& view(std::string_view name) const;
};

// Pending, Running, Succeeded or Failed (the kubelet's rules: a container that waits to be restarted counts as
// stopped, sidecars do not count).
std::string_view phase_of(const PodView&);

// All init containers that must end have ended well, and the sidecars before them have started.
bool initialized(const PodView&);

// The whole `status`. Transition times are kept from `before` (the conditions computed last, or the object's) where
// nothing changed; the object's conditions that others write (readiness gates) are kept as they are.
api::JsonObject make_status(const PodView&, WallTime now, const api::JsonArray& before);

// What an earlier life of this agent reported about a container the runtime no longer knows: exited ones as they
// were; one that ran becomes exited 137, ContainerStatusUnknown. Nothing where it never started.
std::optional<ContainerStatus> recall(const Pod&, const std::string& container, WallTime now);

}  // namespace ingot::node
