// Pod Security Standards, level by level (kubernetes.io/docs/concepts/security/pod-security-standards), as of
// v1.36. Pure; any thread. Facts and message forms: k8s.io/pod-security-admission/policy. Stricter than
// upstream in one way: nothing is relaxed for pods with `hostUsers: false` or `os.name: windows`, as every
// node here is a Linux node without user namespaces.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"

namespace ingot::policy {

enum class PodSecurityLevel : uint8_t { Privileged, Baseline, Restricted };
std::optional<PodSecurityLevel> parse_level(std::string_view);  // "baseline"
std::string_view to_string(PodSecurityLevel);

struct Violation {
  std::string
      check;  // "privileged", "host namespaces", "hostPath volumes", "allowPrivilegeEscalation != false"…
  std::string detail;  // `container "c" must not set securityContext.privileged=true`
};

// `pod_spec` is a PodSpec (a Pod's `spec`, or a template's). In the order of the checks' names: baseline's
// first.
std::vector<Violation> check_pod(const api::Json& pod_spec, const api::Json& pod_metadata, PodSecurityLevel);

// `privileged (container "c" must not …), host namespaces (hostPID=true)`.
std::string describe(const std::vector<Violation>&);
// `violates PodSecurity "baseline:v1.36": privileged (…)`: what follows `pods "x" is forbidden: `.
std::string violation_message(PodSecurityLevel, const std::vector<Violation>&);

}  // namespace ingot::policy
