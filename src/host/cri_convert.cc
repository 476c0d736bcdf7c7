#include "host/cri_convert.h"

#include <fmt/format.h>

namespace ingot::host {
namespace {

// What the kubelet hides of /proc and /sys from every container (kubernetes pkg/securitycontext/util.go).
constexpr const char* kMasked[] = {
    "/proc/asound",      "/proc/acpi",          "/proc/interrupts", "/proc/kcore",
    "/proc/keys",        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
    "/proc/sched_debug", "/proc/scsi",          "/sys/firmware",    "/sys/devices/virtual/powercap",
};
constexpr const char* kReadOnly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                     "/proc/sysrq-trigger"};

bool path_segment(std::string_view text) {
  if (text.empty() || text.size() > 128 || text == "." || text == "..") return false;
  for (char c : text) {
    bool fine =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    if (!fine) return false;
  }
  return true;
}

// Network and IPC are the pod's, processes are each container's own; never the node's.
void own_namespaces(runtime::v1::NamespaceOption& options) {
  options.set_network(runtime::v1::POD);
  options.set_ipc(runtime::v1::POD);
  options.set_pid(runtime::v1::CONTAINER);
}

void security(runtime::v1::LinuxContainerSecurityContext& to, const node::Security& from) {
  own_namespaces(*to.mutable_namespace_options());
  to.set_no_new_privs(true);
  to.mutable_seccomp()->set_profile_type(runtime::v1::SecurityProfile::RuntimeDefault);
  to.set_readonly_rootfs(from.read_only_root);
  if (from.run_as_user) to.mutable_run_as_user()->set_value(*from.run_as_user);
  // The CRI takes a group only beside a user.
  if (from.run_as_group) {
    to.mutable_run_as_group()->set_value(*from.run_as_group);
    if (!from.run_as_user) to.mutable_run_as_user()->set_value(0);
  }
  for (int64_t group : from.supplemental_groups) to.add_supplemental_groups(group);
  for (const std::string& name : from.add_capabilities) to.mutable_capabilities()->add_add_capabilities(name);
  for (const std::string& name : from.drop_capabilities)
    to.mutable_capabilities()->add_drop_capabilities(name);
  for (const char* path : kMasked) to.add_masked_paths(path);
  for (const char* path : kReadOnly) to.add_readonly_paths(path);
}

void resources(runtime::v1::LinuxContainerResources& to, const node::Limits& from) {
  to.set_cpu_shares(std::max<int64_t>(from.cpu_shares, 2));
  if (from.cpu_quota_us > 0) {
    to.set_cpu_quota(from.cpu_quota_us);
    to.set_cpu_period(from.cpu_period_us);
  }
  to.set_memory_limit_in_bytes(from.memory_bytes);
  to.set_oom_score_adj(from.oom_score_adj);
}

WallTime from_ns(int64_t ns) {
  return WallTime(std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::nanoseconds(ns)));
}

}  // namespace

std::string pod_cgroup(const MachineNames& names, const std::string& cluster, const std::string& pod_uid) {
  return names.cgroup_parent() + "/" + cluster + "/" + pod_uid;
}

Result<runtime::v1::PodSandboxConfig> sandbox_config(const MachineNames& names, const std::string& node,
                                                     const node::SandboxSpec& spec) {
  for (const auto& [what, value] : {std::pair("pod uid", &spec.pod_uid), std::pair("cluster", &spec.cluster)})
    if (!path_segment(*value))
      return fail(Reason::Invalid,
                  fmt::format("{} \"{}\" must be letters, digits, '-' and '.'", what, *value));
  runtime::v1::PodSandboxConfig config;
  auto& metadata = *config.mutable_metadata();
  metadata.set_name(spec.pod_name);
  metadata.set_namespace_(spec.pod_namespace);
  metadata.set_uid(spec.pod_uid);
  metadata.set_attempt(spec.attempt);
  config.set_hostname(spec.hostname.empty() ? spec.pod_name : spec.hostname);
  config.set_log_directory(spec.log_directory);
  // Without any DNS configuration the CRI would hand the node's own resolv.conf to the pod.
  config.mutable_dns_config()->add_options("ndots:5");
  auto& labels = *config.mutable_labels();
  labels[kNodeLabel] = node;
  labels[kClusterLabel] = spec.cluster;
  labels[kUidLabel] = spec.pod_uid;

  auto& linux_config = *config.mutable_linux();
  linux_config.set_cgroup_parent(pod_cgroup(names, spec.cluster, spec.pod_uid));
  auto& context = *linux_config.mutable_security_context();
  own_namespaces(*context.mutable_namespace_options());
  context.mutable_seccomp()->set_profile_type(runtime::v1::SecurityProfile::RuntimeDefault);
  context.set_readonly_rootfs(true);
  // Addresses and rules are IPv4's; link-local IPv6 would be a way around them.
  (*linux_config.mutable_sysctls())["net.ipv6.conf.all.disable_ipv6"] = "1";
  (*linux_config.mutable_sysctls())["net.ipv6.conf.default.disable_ipv6"] = "1";
  return config;
}

runtime::v1::ContainerConfig container_config(const std::string& node, const node::SandboxSpec& pod,
                                              const node::ContainerSpec& spec) {
  runtime::v1::ContainerConfig config;
  config.mutable_metadata()->set_name(spec.name);
  config.mutable_metadata()->set_attempt(spec.attempt);
  config.mutable_image()->set_image(spec.image);
  for (const std::string& word : spec.command) config.add_command(word);
  for (const std::string& word : spec.args) config.add_args(word);
  config.set_working_dir(spec.working_dir);
  for (const auto& [name, value] : spec.env) {
    auto& variable = *config.add_envs();
    variable.set_key(name);
    variable.set_value(value);
  }
  for (const node::Mount& mount : spec.mounts) {
    auto& to = *config.add_mounts();
    to.set_host_path(mount.host_path);
    to.set_container_path(mount.container_path);
    to.set_readonly(mount.read_only);
  }
  for (const node::DeviceNode& device : spec.devices) {
    auto& to = *config.add_devices();
    to.set_host_path(device.host_path);
    to.set_container_path(device.container_path);
    to.set_permissions(device.permissions);
  }
  auto& labels = *config.mutable_labels();
  labels[kNodeLabel] = node;
  labels[kClusterLabel] = pod.cluster;
  labels[kUidLabel] = pod.pod_uid;
  config.set_log_path(spec.log_path);
  config.set_tty(spec.tty);
  config.set_stdin(spec.stdin);
  resources(*config.mutable_linux()->mutable_resources(), spec.limits);
  security(*config.mutable_linux()->mutable_security_context(), spec.security);
  return config;
}

node::SandboxStatus sandbox_status(const runtime::v1::PodSandbox& from) {
  node::SandboxStatus to{.id = from.id(),
                         .pod_uid = from.metadata().uid(),
                         .pod_name = from.metadata().name(),
                         .pod_namespace = from.metadata().namespace_(),
                         .attempt = from.metadata().attempt(),
                         .ready = from.state() == runtime::v1::SANDBOX_READY,
                         .created_at = from_ns(from.created_at())};
  if (auto it = from.labels().find(kClusterLabel); it != from.labels().end()) to.cluster = it->second;
  return to;
}

node::ContainerStatus container_status(const runtime::v1::ContainerStatus& from) {
  node::ContainerState state = node::ContainerState::Unknown;
  switch (from.state()) {
    case runtime::v1::CONTAINER_CREATED:
      state = node::ContainerState::Created;
      break;
    case runtime::v1::CONTAINER_RUNNING:
      state = node::ContainerState::Running;
      break;
    case runtime::v1::CONTAINER_EXITED:
      state = node::ContainerState::Exited;
      break;
    default:
      break;
  }
  return {.id = from.id(),
          .name = from.metadata().name(),
          .attempt = from.metadata().attempt(),
          .state = state,
          .image_ref = from.image_ref(),
          .created_at = from_ns(from.created_at()),
          .started_at = from_ns(from.started_at()),
          .finished_at = from_ns(from.finished_at()),
          .exit_code = from.exit_code(),
          .reason = from.reason(),
          .message = from.message()};
}

std::string hosts_file(const std::string& ip, const std::string& hostname) {
  return fmt::format("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n{}\t{}\n", ip, hostname);
}

}  // namespace ingot::host
