// What every new pod goes through before it is stored, whoever makes it: the API server for a client, a controller
// from a template. Pure; any thread. Facts: plugin/pkg/admission/{serviceaccount,priority,defaulttolerationseconds}
// and k8s.io/pod-security-admission.
//
// Invariants: an admitted pod names a service account that exists, carries its priority, passes the floor `baseline`
// (and the stricter level its namespace enforces), is bound to no node (a nodeName becomes a proposal in an
// annotation), says of no run that it is its node, names which version of a data set it mounts, and starts with the status of a pod nobody has run.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "policy/pod_security.h"

namespace ingot::policy {

inline constexpr std::string_view kProposedNodeAnnotation = "factory.ingot.dev/proposed-node";
inline constexpr std::string_view kClusterAnnotation = "factory.ingot.dev/cluster";
// The CSI driver whose inline volumes are data sets: volumeAttributes {dataset, version}.
inline constexpr std::string_view kDatasetDriver = "datasets.ingot.dev";

// What admission reads of the pod's own cluster.
struct AdmissionFacts {
  using Found = std::shared_ptr<const api::Json>;
  std::function<Found(std::string_view name)> service_account;  // in the pod's namespace
  std::function<Found(std::string_view name)> priority_class;
  std::function<Found()> default_priority_class;  // the one with globalDefault, if any
  // Of a data set in the pod's namespace; none: it has no version.
  std::function<std::optional<int64_t>(std::string_view dataset)> newest_version;
  const api::Json& namespace_object;  // its labels ask for Pod Security levels
  bool of_the_factory = false;        // the factory's own pod: may be critical to a node or a cluster
  uint64_t random = 0;                // names the token volume
};

// Completes `pod` (defaults already applied, metadata.namespace set) and judges it. Forbidden, in upstream's wording,
// naming the pod. The warnings are for `Warning:` headers.
Result<std::vector<std::string>> admit_pod(api::Json& pod, const AdmissionFacts&);

// Of DatasetVersions, told by their names one after another in order ("digits-v1", …), the newest of the data set.
class NewestVersion {
 public:
  explicit NewestVersion(std::string_view dataset) : prefix_(std::string(dataset) + "-v") {}
  const std::string& prefix() const { return prefix_; }  // names of its versions begin so
  bool see(std::string_view name);                       // false: none of it can follow
  std::optional<int64_t> found() const { return found_; }

 private:
  std::string prefix_;
  std::optional<int64_t> found_;
};

// The judgement alone, for a pod that changes (ephemeral containers).
Result<std::vector<std::string>> police_pod(const api::Json& pod, const api::Json& namespace_object);
// For an object that holds a pod template: what its pods would be refused or warned for.
std::vector<std::string> template_warnings(const api::Json& pod_template, const api::Json& namespace_object);

// "Guaranteed", "Burstable" or "BestEffort" (status.qosClass).
std::string_view qos_class(const api::Json& pod_spec);

}  // namespace ingot::policy
