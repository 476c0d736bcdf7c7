#include "node/container_spec.h"

#include <fmt/format.h>

#include <algorithm>

#include "gpu/description.h"
#include "node/resources.h"

namespace ingot::node {
namespace {
std::vector<std::string> expanded(const api::JsonArray& words, const Environment& env) {
  std::vector<std::string> out;
  for (const api::Json& word : words) out.push_back(expand(api::string_at(word, {}), env));
  return out;
}

Result<void> add_hosts(const ContainerInputs& in, ContainerSpec& spec) {
  auto path =
      in.files.write_volume(in.pod.uid, "ingot.hosts", {{"hosts", {hosts_file(in.pod, in.pod_ip)}}}, false);
  if (!path) return fail(path.error());
  spec.mounts.push_back({*path + "/hosts", "/etc/hosts", false});
  return {};
}

// The stand-in NVML library inside shows only what its description holds.
Result<void> add_description(const ContainerInputs& in, const std::vector<Grant>& grants,
                             ContainerSpec& spec) {
  auto all = gpu::parse_description(in.node.gpu_description, "");
  if (!all || all->nodes.size() != 1)
    return fail(Reason::InternalError, "the node's description of simulated GPUs cannot be read");
  std::vector<std::string> names;
  for (gpu::SimulatedBoard& board : all->nodes.front().boards) {
    board.mig_enabled = false;
    board.instances.clear();
    for (const Grant& grant : grants) {
      if (grant.board != board.uuid) continue;
      names.push_back(grant.device());
      if (!grant.mig) continue;
      board.mig_enabled = true;
      board.instances.push_back({.profile = grant.mig->profile,
                                 .start = grant.mig->start,
                                 .id = grant.mig->gpu_instance,
                                 .uuid = grant.mig->uuid});
    }
  }
  auto path = in.files.write_volume(in.pod.uid, "ingot.gpus." + in.def.name,
                                    {{"gpus", {gpu::to_text(*all, all->nodes.front(), names)}}}, false);
  if (!path) return fail(path.error());
  spec.mounts.push_back({*path + "/gpus", std::string(cdi::kDescriptionPath), true});
  spec.env.emplace_back(cdi::kDescriptionVariable, cdi::kDescriptionPath);
  return {};
}

// Whether the container names the device's claim, and of it this request or all. "gpus/big" answers request "gpus".
bool names(const ContainerDef& def, const ClaimPart& part) {
  return std::ranges::any_of(api::array_at(*def.spec, {"resources", "claims"}), [&](const api::Json& named) {
    const std::string_view request = api::string_at(named, {"request"});
    return api::string_at(named, {"name"}) == part.claim &&
           (request.empty() || request == std::string_view(part.request).substr(0, part.request.find('/')));
  });
}

// A time share that an annotation of the pod asked for: no container names it.
bool shared_by_all(const Pod& pod, const Allocation& a) {
  return a.devices.size() == 1 && a.devices.front().milli < 1000 && a.part(0).claim.empty() &&
         std::ranges::none_of(pod.containers, [](const ContainerDef& c) { return gpus_of(c) > 0; });
}

Result<void> add_devices(const ContainerInputs& in, ContainerSpec& spec) {
  std::vector<Grant> granted;
  int64_t counted = 0;
  for (const size_t place : devices_of(in.pod, in.def, in.allocation)) {
    granted.push_back(in.grants.at(place));
    counted += in.allocation.part(place).claim.empty();
  }
  const int64_t wanted = shared_by_all(in.pod, in.allocation) ? 1 : gpus_of(in.def);
  if (counted != wanted)
    return fail(Reason::Conflict,
                fmt::format("the pod's Allocation holds {} of the {} GPUs that container {} asks for",
                            counted, wanted, in.def.name));
  if (granted.empty()) {
    cdi::deny(spec);
    return {};
  }
  if (auto applied = cdi::apply(in.node.devices, granted, spec); !applied) return applied;
  if (in.node.gpus.simulated && !in.node.gpu_description.empty()) return add_description(in, granted, spec);
  return {};
}
}  // namespace

NodeFacts facts_of(const NodeConfig& node, const std::string& pod_ip) {
  return {.name = node.name,
          .host_ip = node.host_ip,
          .pod_ip = pod_ip,
          .api_host = node.api_host,
          .api_port = node.api_port,
          .cpu_milli = node.cpu_milli,
          .memory_bytes = node.memory_bytes,
          .ephemeral_bytes = node.ephemeral_bytes};
}

std::vector<size_t> devices_of(const Pod& pod, const ContainerDef& def, const Allocation& allocation) {
  const auto& devices = allocation.devices;
  const bool share = devices.size() == 1 && devices.front().milli < 1000 && allocation.part(0).claim.empty();
  if (share && (gpus_of(def) == 1 || shared_by_all(pod, allocation))) return {0};
  // Init containers run before and one at a time: each starts anew at the first device. Sidecars keep theirs.
  size_t at = 0;
  for (const ContainerDef& c : pod.containers) {
    if (c.name == def.name) break;
    if (c.init == def.init || c.sidecar)
      if (!c.init || c.sidecar) at += size_t(gpus_of(c));
  }
  const size_t end = at + size_t(gpus_of(def));
  std::vector<size_t> mine, counted;
  size_t place = 0;
  for (size_t i = 0; i < allocation.devices.size(); ++i) {
    if (const ClaimPart part = allocation.part(i); !part.claim.empty()) {
      if (names(def, part)) mine.push_back(i);
    } else if (place++ >= at && place <= end) {
      counted.push_back(i);
    }
  }
  mine.insert(mine.end(), counted.begin(), counted.end());
  return mine;
}

Result<ContainerSpec> container_spec(const ContainerInputs& in) {
  ContainerSpec spec;
  spec.name = in.def.name;
  spec.init = in.def.init && !in.def.sidecar;
  spec.attempt = in.attempt;
  spec.image = in.image;
  spec.log_path = fmt::format("{}/{}.log", in.def.name, in.attempt);
  spec.working_dir = api::string_at(*in.def.spec, {"workingDir"});
  spec.tty = api::bool_at(*in.def.spec, {"tty"});
  spec.stdin = api::bool_at(*in.def.spec, {"stdin"});
  spec.limits = limits_of(in.pod, in.def, in.node.memory_bytes);
  spec.security = security_of(in.pod, in.def);
  if (in.node.hollow) return spec;

  if (spec.security.run_as_non_root && spec.security.run_as_user == 0)
    return fail(Reason::Invalid, "container's runAsUser breaks non-root policy");
  auto env = environment_of(in.pod, in.def, in.config, facts_of(in.node, in.pod_ip));
  if (!env) return fail(env.error());
  spec.command = expanded(api::array_at(*in.def.spec, {"command"}), *env);
  spec.args = expanded(api::array_at(*in.def.spec, {"args"}), *env);
  auto mounts = in.volumes.mounts(in.pod, in.def, *env);
  if (!mounts) return fail(mounts.error());
  spec.env = std::move(*env);
  spec.mounts = std::move(*mounts);
  if (auto added = add_hosts(in, spec); !added) return fail(added.error());
  if (auto added = add_devices(in, spec); !added) return fail(added.error());
  return spec;
}

std::string hosts_file(const Pod& pod, const std::string& ip) {
  std::string text = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
  if (!ip.empty()) {
    const std::string_view named = api::string_at(pod.object, {"spec", "hostname"});
    text += fmt::format("{}\t{}\n", ip, named.empty() ? std::string_view(pod.name) : named);
  }
  for (const api::Json& alias : api::array_at(pod.object, {"spec", "hostAliases"})) {
    text += api::string_at(alias, {"ip"});
    for (const api::Json& name : api::array_at(alias, {"hostnames"}))
      text += fmt::format("\t{}", api::string_at(name, {}));
    text += "\n";
  }
  return text;
}

SandboxSpec sandbox_spec(const Pod& pod, const Allocation& allocation, Files& files, uint32_t attempt) {
  SandboxSpec spec{.pod_uid = pod.uid,
                   .pod_name = pod.name,
                   .pod_namespace = pod.ns,
                   .cluster = allocation.cluster.empty() ? pod.cluster : allocation.cluster,
                   .attempt = attempt,
                   .log_directory = files.log_directory(pod.uid)};
  const std::string_view named = api::string_at(pod.object, {"spec", "hostname"});
  spec.hostname = std::string(named.empty() ? std::string_view(pod.name) : named).substr(0, 63);
  while (!spec.hostname.empty() && (spec.hostname.back() == '-' || spec.hostname.back() == '.'))
    spec.hostname.pop_back();
  for (const auto& member : api::object_at(pod.object, {"metadata", "annotations"}))
    spec.annotations[std::string(member.key())] = api::string_at(member.value(), {});
  return spec;
}

}  // namespace ingot::node
