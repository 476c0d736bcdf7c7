#include "policy/pod_security.h"

#include "policy/pod_security_checks.h"

namespace ingot::policy {
namespace {

struct Check {
  std::string_view id;  // upstream's; the order of the table is the order of the messages
  Verdict (*check)(const PodFacts&);
  PodSecurityLevel from;  // the lowest level that runs it
  PodSecurityLevel until =
      PodSecurityLevel::Restricted;  // the highest: a restricted check may replace a baseline one
};

constexpr auto kBaseline = PodSecurityLevel::Baseline;
constexpr auto kRestricted = PodSecurityLevel::Restricted;

constexpr Check kChecks[] = {
    {"appArmorProfile", check_app_armor, kBaseline},
    {"capabilities_baseline", check_capabilities_baseline, kBaseline, kBaseline},
    {"hostNamespaces", check_host_namespaces, kBaseline},
    {"hostPathVolumes", check_host_path_volumes, kBaseline, kBaseline},
    {"hostPorts", check_host_ports, kBaseline},
    {"hostProbesAndHostLifecycle", check_host_probes, kBaseline},
    {"privileged", check_privileged, kBaseline},
    {"procMount", check_proc_mount, kBaseline},
    {"seLinuxOptions", check_se_linux, kBaseline},
    {"seccompProfile_baseline", check_seccomp_baseline, kBaseline, kBaseline},
    {"sysctls", check_sysctls, kBaseline},
    {"windowsHostProcess", check_windows_host_process, kBaseline},
    {"allowPrivilegeEscalation", check_privilege_escalation, kRestricted},
    {"capabilities_restricted", check_capabilities_restricted, kRestricted},
    {"restrictedVolumes", check_restricted_volumes, kRestricted},
    {"runAsNonRoot", check_run_as_non_root, kRestricted},
    {"runAsUser", check_run_as_user, kRestricted},
    {"seccompProfile_restricted", check_seccomp_restricted, kRestricted},
};

}  // namespace

std::optional<PodSecurityLevel> parse_level(std::string_view text) {
  if (text == "privileged") return PodSecurityLevel::Privileged;
  if (text == "baseline") return PodSecurityLevel::Baseline;
  if (text == "restricted") return PodSecurityLevel::Restricted;
  return std::nullopt;
}

std::string_view to_string(PodSecurityLevel level) {
  switch (level) {
    case PodSecurityLevel::Privileged:
      return "privileged";
    case PodSecurityLevel::Baseline:
      return "baseline";
    case PodSecurityLevel::Restricted:
      return "restricted";
  }
  return "";
}

std::vector<Violation> check_pod(const api::Json& pod_spec, const api::Json& pod_metadata,
                                 PodSecurityLevel level) {
  std::vector<Violation> found;
  const PodFacts pod{pod_spec, pod_metadata};
  for (const Check& c : kChecks) {
    if (level < c.from || level > c.until) continue;
    if (Verdict v = c.check(pod)) found.push_back(std::move(*v));
  }
  return found;
}

std::string describe(const std::vector<Violation>& violations) {
  std::string text;
  for (const Violation& v : violations) {
    if (!text.empty()) text += ", ";
    text += v.check;
    if (!v.detail.empty()) text += " (" + v.detail + ")";
  }
  return text;
}

std::string violation_message(PodSecurityLevel level, const std::vector<Violation>& violations) {
  return "violates PodSecurity \"" + std::string(to_string(level)) + ":v1.36\": " + describe(violations);
}

void each_container(const PodFacts& pod,
                    const std::function<void(const std::string&, const api::Json&)>& visit) {
  for (std::string_view list : {"initContainers", "containers", "ephemeralContainers"})
    for (const api::Json& container : api::array_at(pod.spec, {list}))
      visit(std::string(api::string_at(container, {"name"})), container);
}

const api::Json* given(const api::Json& value, std::initializer_list<std::string_view> path) {
  const api::Json* found = api::find(value, path);
  return found && !found->is_null() ? found : nullptr;
}

std::string quoted(const Names& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "\"" : ", \"") + item + "\"";
  return text;
}
std::string quoted(const Values& items) { return quoted(Names(items.begin(), items.end())); }

std::string containers_text(const Names& names) {
  return plural("container ", "containers ", names.size()) + quoted(names);
}

std::string Setters::text() const {
  if (containers.empty()) return "pod";
  return (pod ? "pod and " : "") + containers_text(containers);
}

}  // namespace ingot::policy
