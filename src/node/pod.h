// A Pod as the node reads it: the object itself and the few facts every part asks for, read once.
// Immutable after parse; any thread. Pointers into `object` live as long as the Pod.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "base/time.h"

namespace ingot::node {

struct ContainerDef {
  std::string name, image;
  bool init = false;
  bool sidecar = false;  // an init container with restartPolicy Always: runs beside the main ones
  const api::Json* spec = nullptr;
  std::vector<std::string> after;  // kOrderAnnotation
};

enum class RestartPolicy : uint8_t { Always, OnFailure, Never };

struct Pod {
  api::Json object;
  std::string uid, name, ns;
  std::string cluster;  // the cluster's id, from the annotation the API server adds for nodes
  std::string service_account;
  RestartPolicy restart_policy = RestartPolicy::Always;
  int64_t grace_s = 30;
  std::optional<WallTime> deleted_at;  // metadata.deletionTimestamp
  std::optional<int64_t> deletion_grace_s;
  std::optional<int64_t> active_deadline_s;
  std::vector<ContainerDef> containers;  // init containers first, in order
  int64_t retries = 0;                   // kRetriesAnnotation
  Duration retry_pause{};

  std::string_view phase() const { return api::string_at(object, {"status", "phase"}); }
  bool finished() const { return phase() == "Succeeded" || phase() == "Failed"; }
  const ContainerDef* container(std::string_view name) const;
};
using PodPtr = std::shared_ptr<const Pod>;

inline constexpr std::string_view kClusterAnnotation = "factory.ingot.dev/cluster";
// {"b": ["a"]}: container b starts once a has ended well, and never if it has not. Of pods that restart nothing.
inline constexpr std::string_view kOrderAnnotation = "factory.ingot.dev/container-order";
// {"retries": 2, "pauseSeconds": 5}: main containers of a pod that restarts nothing start again as often, having failed.
inline constexpr std::string_view kRetriesAnnotation = "factory.ingot.dev/container-retries";
inline constexpr std::string_view kDependencyFailed =
    "DependencyFailed";  // the reason of one that never started
inline constexpr size_t kMaxContainersPerPod = 64;

// Fails where the node cannot even name the pod (no uid, name or namespace) or it has no container or too many.
Result<PodPtr> parse_pod(api::Json object);

// The entry of the pod's spec.resourceClaims, and the request in that claim, that a device answers; empty: it answers
// what a container asks for in its resources.
struct ClaimPart {
  std::string claim, request;
  bool operator==(const ClaimPart&) const = default;
};

// What an Allocation holds of one board: all of it, a time share (milli < 1000), or a MIG instance (profile, start).
struct HeldDevice {
  HeldDevice() = default;
  HeldDevice(std::string board) : uuid(std::move(board)) {}
  HeldDevice(const char* board) : uuid(board) {}
  std::string uuid, model;
  int32_t milli = 1000;
  int64_t memory_mib = 0;
  std::string profile;
  int start = -1;
  std::string claim;  // uid of the claim that it is of; pods of one claim have its devices together
  bool operator==(const HeldDevice&) const = default;
};

// An Allocation as the node reads it.
struct Allocation {
  std::string uid;  // the pod's
  std::string tenant, cluster, ns, pod;
  std::vector<HeldDevice> devices;
  WallTime from{};                // when the pod was bound
  std::vector<ClaimPart> claims;  // of the first devices, in the same order
  bool open = false;
  ClaimPart part(size_t device) const { return device < claims.size() ? claims[device] : ClaimPart{}; }
  bool operator==(const Allocation&) const = default;
};
Result<Allocation> parse_allocation(const api::Json& object);

}  // namespace ingot::node
