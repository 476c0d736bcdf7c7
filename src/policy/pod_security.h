// Pod Security Standards, level by level (kubernetes.io/docs/concepts/security/pod-security-standards). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"

namespace ingot::policy {

enum class PodSecurityLevel : uint8_t { Privileged, Baseline, Restricted };
std::optional<PodSecurityLevel> parse_level(std::string_view);  // "baseline"

struct Violation {
  std::string
      check;  // "privileged", "hostNamespaces", "hostPath volumes", "allowPrivilegeEscalation != false"…
  std::string detail;  // `container "c" must not set securityContext.privileged=true`
};

// `pod_spec` is a PodSpec (a Pod's `spec`, or a template's).
std::vector<Violation> check_pod(const api::Json& pod_spec, const api::Json& pod_metadata, PodSecurityLevel);

}  // namespace ingot::policy
