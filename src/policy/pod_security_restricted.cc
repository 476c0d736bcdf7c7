// The checks the level `restricted` adds: current hardening practice.
#include <algorithm>

#include "policy/pod_security_checks.h"

namespace ingot::policy {
namespace {

using api::Json;

bool is_text(const Json& value, std::string_view text) {
  return value.is_string() && std::string_view(value.get_string()) == text;
}

constexpr std::string_view kGoodVolumes[] = {"configMap", "csi",   "downwardAPI",           "emptyDir",
                                             "ephemeral", "image", "persistentVolumeClaim", "projected",
                                             "secret"};
constexpr std::string_view kBadVolumes[] = {"hostPath",
                                            "gcePersistentDisk",
                                            "awsElasticBlockStore",
                                            "gitRepo",
                                            "nfs",
                                            "iscsi",
                                            "glusterfs",
                                            "rbd",
                                            "flexVolume",
                                            "cinder",
                                            "cephfs",
                                            "flocker",
                                            "fc",
                                            "azureFile",
                                            "vsphereVolume",
                                            "quobyte",
                                            "azureDisk",
                                            "photonPersistentDisk",
                                            "portworxVolume",
                                            "scaleIO",
                                            "storageos"};

}  // namespace

Verdict check_privilege_escalation(const PodFacts& pod) {
  Names bad;
  each_container(pod, [&](const std::string& name, const Json& container) {
    if (api::bool_at(container, {"securityContext", "allowPrivilegeEscalation"}, true)) bad.push_back(name);
  });
  if (bad.empty()) return std::nullopt;
  return Violation{"allowPrivilegeEscalation != false",
                   containers_text(bad) + " must set securityContext.allowPrivilegeEscalation=false"};
}

Verdict check_capabilities_restricted(const PodFacts& pod) {
  Names keeping, adding;
  Values added;
  each_container(pod, [&](const std::string& name, const Json& container) {
    const auto& drop = api::array_at(container, {"securityContext", "capabilities", "drop"});
    if (std::ranges::none_of(drop, [](const Json& c) { return is_text(c, "ALL"); })) keeping.push_back(name);
    bool forbidden = false;
    for (const Json& c : api::array_at(container, {"securityContext", "capabilities", "add"})) {
      if (is_text(c, "NET_BIND_SERVICE")) continue;
      forbidden = true;
      added.emplace(c.is_string() ? std::string_view(c.get_string()) : std::string_view());
    }
    if (forbidden) adding.push_back(name);
  });
  std::string detail;
  if (!keeping.empty())
    detail = containers_text(keeping) + " must set securityContext.capabilities.drop=[\"ALL\"]";
  if (!adding.empty())
    detail += (detail.empty() ? "" : "; ") + containers_text(adding) + " must not include " + quoted(added) +
              " in securityContext.capabilities.add";
  if (detail.empty()) return std::nullopt;
  return Violation{"unrestricted capabilities", detail};
}

Verdict check_restricted_volumes(const PodFacts& pod) {
  Names bad;
  Values types;
  for (const Json& volume : api::array_at(pod.spec, {"volumes"})) {
    auto has = [&](std::string_view type) { return given(volume, {type}) != nullptr; };
    if (std::ranges::any_of(kGoodVolumes, has)) continue;
    bad.emplace_back(api::string_at(volume, {"name"}));
    const auto* type = std::ranges::find_if(kBadVolumes, has);
    types.emplace(type == std::end(kBadVolumes) ? "unknown" : *type);
  }
  if (bad.empty()) return std::nullopt;
  return Violation{
      "restricted volume types",
      plural("volume ", "volumes ", bad.size()) + quoted(bad) + plural(" uses ", " use ", bad.size()) +
          plural("restricted volume type ", "restricted volume types ", types.size()) + quoted(types)};
}

Verdict check_run_as_non_root(const PodFacts& pod) {
  enum class Kind : uint8_t { Unset, Good, Bad };
  auto kind = [](const Json& holder) {
    if (!given(holder, {"securityContext", "runAsNonRoot"})) return Kind::Unset;
    return api::bool_at(holder, {"securityContext", "runAsNonRoot"}) ? Kind::Good : Kind::Bad;
  };
  const Kind whole = kind(pod.spec);
  Setters bad{.pod = whole == Kind::Bad};
  Names unset;
  each_container(pod, [&](const std::string& name, const Json& container) {
    const Kind own = kind(container);
    if (own == Kind::Bad) bad.containers.push_back(name);
    if (own == Kind::Unset && whole != Kind::Good) unset.push_back(name);
  });
  if (!bad.empty())
    return Violation{"runAsNonRoot != true", bad.text() + " must not set securityContext.runAsNonRoot=false"};
  if (!unset.empty())
    return Violation{"runAsNonRoot != true",
                     "pod or " + containers_text(unset) + " must set securityContext.runAsNonRoot=true"};
  return std::nullopt;
}

Verdict check_run_as_user(const PodFacts& pod) {
  auto is_root = [](const Json& holder) {
    return api::int_at(holder, {"securityContext", "runAsUser"}) == 0;
  };
  Setters bad{.pod = is_root(pod.spec)};
  each_container(pod, [&](const std::string& name, const Json& container) {
    if (is_root(container)) bad.containers.push_back(name);
  });
  if (bad.empty()) return std::nullopt;
  return Violation{"runAsUser=0", bad.text() + " must not set runAsUser=0"};
}

Verdict check_seccomp_restricted(const PodFacts& pod) {
  const SeccompSettings found = seccomp_settings(pod);
  if (Verdict bad = forbidden_seccomp(found)) return bad;
  if (found.unset.empty()) return std::nullopt;
  return Violation{
      "seccompProfile",
      "pod or " + containers_text(found.unset) +
          " must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\""};
}

}  // namespace ingot::policy
