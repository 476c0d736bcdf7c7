// The single checks behind check_pod, and what they share. Internal to policy/. Pure; any thread.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "policy/pod_security.h"

namespace ingot::policy {

struct PodFacts {
  const api::Json& spec;
  const api::Json& metadata;
};
using Verdict = std::optional<Violation>;

// Baseline.
Verdict check_app_armor(const PodFacts&);
Verdict check_capabilities_baseline(const PodFacts&);
Verdict check_host_namespaces(const PodFacts&);
Verdict check_host_path_volumes(const PodFacts&);
Verdict check_host_ports(const PodFacts&);
Verdict check_host_probes(const PodFacts&);
Verdict check_privileged(const PodFacts&);
Verdict check_proc_mount(const PodFacts&);
Verdict check_se_linux(const PodFacts&);
Verdict check_seccomp_baseline(const PodFacts&);
Verdict check_sysctls(const PodFacts&);
Verdict check_windows_host_process(const PodFacts&);
// Restricted.
Verdict check_privilege_escalation(const PodFacts&);
Verdict check_capabilities_restricted(const PodFacts&);
Verdict check_restricted_volumes(const PodFacts&);
Verdict check_run_as_non_root(const PodFacts&);
Verdict check_run_as_user(const PodFacts&);
Verdict check_seccomp_restricted(const PodFacts&);

using Names = std::vector<std::string>;  // in the order met
using Values = std::set<std::string>;    // in text order

// Init, then main, then ephemeral containers.
void each_container(const PodFacts&, const std::function<void(const std::string& name, const api::Json&)>&);

// The value at `path`, nullptr when absent or null.
const api::Json* given(const api::Json&, std::initializer_list<std::string_view> path);

// Who set something forbidden: the pod itself, or containers.
struct Setters {
  bool pod = false;
  Names containers;
  bool empty() const { return !pod && containers.empty(); }
  std::string text() const;  // `pod and containers "a", "b"`
};

std::string quoted(const Names&);  // `"a", "b"`
std::string quoted(const Values&);
std::string containers_text(const Names&);  // `container "a"`, `containers "a", "b"`
inline std::string plural(std::string_view one, std::string_view many, size_t count) {
  return std::string(count == 1 ? one : many);
}

// Of both seccomp levels: a profile's `type` may be RuntimeDefault or Localhost.
struct SeccompSettings {
  Setters bad;
  Values bad_values;
  Names unset;  // containers with no profile, neither their own nor a good one of the pod
};
SeccompSettings seccomp_settings(const PodFacts&);
Verdict forbidden_seccomp(const SeccompSettings&);

}  // namespace ingot::policy
