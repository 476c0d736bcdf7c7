// The checks of the level `baseline`: what is a known way out of a container.
#include <algorithm>

#include "policy/pod_security_checks.h"

namespace ingot::policy {
namespace {

using api::Json;

template <size_t N>
constexpr bool among(const std::string_view (&list)[N], std::string_view item) {
  return std::ranges::find(list, item) != std::end(list);
}

// Who sets securityContext.`path` to a value that is not `acceptable`.
void each_setting(const PodFacts& pod, std::initializer_list<std::string_view> path, Setters& bad,
                  const std::function<bool(const Json&)>& acceptable) {
  auto bad_in = [&](const Json& holder) {
    const Json* context = given(holder, {"securityContext"});
    const Json* value = context ? given(*context, path) : nullptr;
    return value && !acceptable(*value);
  };
  bad.pod = bad_in(pod.spec);
  each_container(pod, [&](const std::string& name, const Json& container) {
    if (bad_in(container)) bad.containers.push_back(name);
  });
}

// Go's %q for what can stand in an annotation.
std::string go_quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else {
      out += c;
    }
  }
  return out + "\"";
}

void probe_hosts(const Json& handler, Values& hosts) {
  for (std::string_view kind : {"httpGet", "tcpSocket"})
    if (std::string_view host = api::string_at(handler, {kind, "host"}); !host.empty()) hosts.emplace(host);
}

constexpr std::string_view kCapabilities[] = {
    "AUDIT_WRITE",      "CHOWN",   "DAC_OVERRIDE", "FOWNER",  "FSETID", "KILL",      "MKNOD",
    "NET_BIND_SERVICE", "SETFCAP", "SETGID",       "SETPCAP", "SETUID", "SYS_CHROOT"};

constexpr std::string_view kSysctls[] = {
    "kernel.shm_rmid_forced",           "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",        "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",     "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",      "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",          "net.ipv4.tcp_wmem"};

constexpr std::string_view kSeLinuxTypes[] = {"", "container_t", "container_init_t", "container_kvm_t",
                                              "container_engine_t"};

}  // namespace

Verdict check_app_armor(const PodFacts& pod) {
  Setters bad;
  Values values;
  each_setting(pod, {"appArmorProfile"}, bad, [&](const Json& profile) {
    const std::string_view type = api::string_at(profile, {"type"});
    if (type == "RuntimeDefault" || type == "Localhost") return true;
    values.emplace(type);
    return false;
  });
  Values annotations;
  for (const auto& [key, value] : api::object_at(pod.metadata, {"annotations"})) {
    if (!std::string_view(key.data(), key.size())
             .starts_with("container.apparmor.security.beta.kubernetes.io/"))
      continue;
    const std::string_view profile =
        value.is_string() ? std::string_view(value.get_string()) : std::string_view();
    if (!profile.empty() && profile != "runtime/default" && !profile.starts_with("localhost/"))
      annotations.insert(std::string(key) + "=" + go_quoted(profile));
  }
  if (bad.empty() && annotations.empty()) return std::nullopt;

  std::string who = bad.empty() ? "" : bad.text();
  if (!annotations.empty())
    who += (who.empty() ? "" : " and ") + plural("annotation", "annotations", annotations.size());
  Names list(values.begin(), values.end());
  list.insert(list.end(), annotations.begin(), annotations.end());
  return Violation{plural("forbidden AppArmor profile", "forbidden AppArmor profiles", list.size()),
                   who + " must not set AppArmor profile type to " + quoted(list)};
}

Verdict check_capabilities_baseline(const PodFacts& pod) {
  Names bad;
  Values added;
  each_container(pod, [&](const std::string& name, const Json& container) {
    bool valid = true;
    for (const Json& c : api::array_at(container, {"securityContext", "capabilities", "add"})) {
      const std::string_view capability =
          c.is_string() ? std::string_view(c.get_string()) : std::string_view();
      if (among(kCapabilities, capability)) continue;
      valid = false;
      added.emplace(capability);
    }
    if (!valid) bad.push_back(name);
  });
  if (bad.empty()) return std::nullopt;
  return Violation{"non-default capabilities", containers_text(bad) + " must not include " + quoted(added) +
                                                   " in securityContext.capabilities.add"};
}

Verdict check_host_namespaces(const PodFacts& pod) {
  std::string found;
  for (std::string_view field : {"hostNetwork", "hostPID", "hostIPC"})
    if (api::bool_at(pod.spec, {field})) found += (found.empty() ? "" : ", ") + std::string(field) + "=true";
  if (found.empty()) return std::nullopt;
  return Violation{"host namespaces", found};
}

Verdict check_host_path_volumes(const PodFacts& pod) {
  Names bad;
  for (const Json& volume : api::array_at(pod.spec, {"volumes"}))
    if (given(volume, {"hostPath"})) bad.emplace_back(api::string_at(volume, {"name"}));
  if (bad.empty()) return std::nullopt;
  return Violation{"hostPath volumes", plural("volume ", "volumes ", bad.size()) + quoted(bad)};
}

Verdict check_host_ports(const PodFacts& pod) {
  Names bad;
  Values ports;
  each_container(pod, [&](const std::string& name, const Json& container) {
    bool valid = true;
    for (const Json& port : api::array_at(container, {"ports"})) {
      const int64_t number = api::int_at(port, {"hostPort"}).value_or(0);
      if (number == 0) continue;
      valid = false;
      ports.insert(std::to_string(number));
    }
    if (!valid) bad.push_back(name);
  });
  if (bad.empty()) return std::nullopt;
  std::string list;
  for (const std::string& port : ports) list += (list.empty() ? "" : ", ") + port;
  return Violation{"hostPort", containers_text(bad) + plural(" uses ", " use ", bad.size()) +
                                   plural("hostPort ", "hostPorts ", ports.size()) + list};
}

Verdict check_host_probes(const PodFacts& pod) {
  Values bad, hosts;
  each_container(pod, [&](const std::string& name, const Json& container) {
    Values here;
    for (std::string_view probe : {"livenessProbe", "readinessProbe", "startupProbe"})
      if (const Json* p = given(container, {probe})) probe_hosts(*p, here);
    for (std::string_view hook : {"postStart", "preStop"})
      if (const Json* h = given(container, {"lifecycle", hook})) probe_hosts(*h, here);
    if (!here.empty()) bad.insert(name);
    hosts.merge(here);
  });
  if (bad.empty()) return std::nullopt;
  return Violation{"probe or lifecycle host",
                   containers_text(Names(bad.begin(), bad.end())) + plural(" uses ", " use ", bad.size()) +
                       plural("probe or lifecycle host ", "probe or lifecycle hosts ", hosts.size()) +
                       quoted(hosts)};
}

Verdict check_privileged(const PodFacts& pod) {
  Names bad;
  each_container(pod, [&](const std::string& name, const Json& container) {
    if (api::bool_at(container, {"securityContext", "privileged"})) bad.push_back(name);
  });
  if (bad.empty()) return std::nullopt;
  return Violation{"privileged", containers_text(bad) + " must not set securityContext.privileged=true"};
}

Verdict check_proc_mount(const PodFacts& pod) {
  Names bad;
  Values types;
  each_container(pod, [&](const std::string& name, const Json& container) {
    if (!given(container, {"securityContext", "procMount"})) return;
    const std::string_view type = api::string_at(container, {"securityContext", "procMount"});
    if (type == "Default") return;
    bad.push_back(name);
    types.emplace(type);
  });
  if (bad.empty()) return std::nullopt;
  return Violation{"procMount",
                   containers_text(bad) + " must not set securityContext.procMount to " + quoted(types)};
}

Verdict check_se_linux(const PodFacts& pod) {
  Setters bad;
  Values types;
  bool user = false, role = false;
  each_setting(pod, {"seLinuxOptions"}, bad, [&](const Json& options) {
    const std::string_view type = api::string_at(options, {"type"});
    const bool bad_type = !among(kSeLinuxTypes, type);
    const bool has_user = !api::string_at(options, {"user"}).empty();
    const bool has_role = !api::string_at(options, {"role"}).empty();
    if (bad_type) types.emplace(type);
    user |= has_user;
    role |= has_role;
    return !bad_type && !has_user && !has_role;
  });
  if (bad.empty()) return std::nullopt;
  std::string what;
  if (!types.empty()) what = plural("type ", "types ", types.size()) + quoted(types);
  if (user) what += (what.empty() ? "" : "; ") + std::string("user may not be set");
  if (role) what += (what.empty() ? "" : "; ") + std::string("role may not be set");
  return Violation{"seLinuxOptions", bad.text() + " set forbidden securityContext.seLinuxOptions: " + what};
}

SeccompSettings seccomp_settings(const PodFacts& pod) {
  SeccompSettings found;
  enum class Kind : uint8_t { Unset, Good, Bad };
  auto kind = [&](const Json& holder) {
    const Json* profile = given(holder, {"securityContext", "seccompProfile"});
    if (!profile) return Kind::Unset;
    const std::string_view type = api::string_at(*profile, {"type"});
    if (type == "RuntimeDefault" || type == "Localhost") return Kind::Good;
    found.bad_values.emplace(type);
    return Kind::Bad;
  };
  const Kind whole = kind(pod.spec);
  found.bad.pod = whole == Kind::Bad;
  each_container(pod, [&](const std::string& name, const Json& container) {
    const Kind own = kind(container);
    if (own == Kind::Bad) found.bad.containers.push_back(name);
    if (own == Kind::Unset && whole != Kind::Good) found.unset.push_back(name);
  });
  return found;
}

Verdict forbidden_seccomp(const SeccompSettings& found) {
  if (found.bad.empty()) return std::nullopt;
  return Violation{
      "seccompProfile",
      found.bad.text() + " must not set securityContext.seccompProfile.type to " + quoted(found.bad_values)};
}

Verdict check_seccomp_baseline(const PodFacts& pod) { return forbidden_seccomp(seccomp_settings(pod)); }

Verdict check_sysctls(const PodFacts& pod) {
  bool any = false;
  std::string bad;
  for (const Json& sysctl : api::array_at(pod.spec, {"securityContext", "sysctls"})) {
    const std::string_view name = api::string_at(sysctl, {"name"});
    if (among(kSysctls, name)) continue;
    bad += (any ? ", " : "") + std::string(name);
    any = true;
  }
  if (!any) return std::nullopt;
  return Violation{"forbidden sysctls", bad};
}

Verdict check_windows_host_process(const PodFacts& pod) {
  Setters bad;
  each_setting(pod, {"windowsOptions", "hostProcess"}, bad,
               [](const Json& value) { return !(value.is_bool() && value.get_bool()); });
  if (bad.empty()) return std::nullopt;
  return Violation{"hostProcess",
                   bad.text() + " must not set securityContext.windowsOptions.hostProcess=true"};
}

}  // namespace ingot::policy
