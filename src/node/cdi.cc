#include "node/cdi.h"

#include <fmt/format.h>

#include <algorithm>

namespace ingot::node::cdi {
namespace {
using api::Json;
using api::JsonArray;
using api::JsonObject;

// What decides about devices is ours alone.
bool decides_about_gpus(std::string_view variable) {
  return variable.starts_with("NVIDIA_") || variable == "CUDA_VISIBLE_DEVICES" ||
         variable.starts_with("CUDA_MPS_") || variable.starts_with("INGOT_GPU_");
}

JsonObject edits_json(const Edits& edits) {
  JsonObject out;
  if (!edits.env.empty()) {
    JsonArray& env = out["env"].emplace_array();
    for (const auto& [name, value] : edits.env) env.push_back(Json(fmt::format("{}={}", name, value)));
  }
  if (!edits.devices.empty()) {
    JsonArray& nodes = out["deviceNodes"].emplace_array();
    for (const DeviceNode& d : edits.devices)
      nodes.push_back(
          JsonObject{{"path", d.container_path}, {"hostPath", d.host_path}, {"permissions", d.permissions}});
  }
  if (!edits.mounts.empty()) {
    JsonArray& mounts = out["mounts"].emplace_array();
    for (const Mount& m : edits.mounts) {
      JsonArray options{Json(m.read_only ? "ro" : "rw"), Json("nosuid"), Json("nodev"), Json("bind")};
      mounts.push_back(JsonObject{
          {"hostPath", m.host_path}, {"containerPath", m.container_path}, {"options", std::move(options)}});
    }
  }
  return out;
}

Result<void> require_absolute(std::string_view path, const std::string& field) {
  if (path.starts_with('/') && path.find("..") == path.npos) return {};
  return fail(Reason::Invalid, fmt::format("{}: \"{}\" is not an absolute path without ..", field, path));
}

Result<Edits> parse_edits(const Json& edits, const std::string& where) {
  Edits out;
  for (const Json& item : api::array_at(edits, {"env"})) {
    const std::string_view text = api::string_at(item, {});
    const size_t equals = text.find('=');
    if (equals == text.npos || equals == 0)
      return fail(Reason::Invalid, fmt::format("{}.env: \"{}\" is not NAME=VALUE", where, text));
    out.env.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  for (const Json& node : api::array_at(edits, {"deviceNodes"})) {
    DeviceNode d{.container_path = std::string(api::string_at(node, {"path"}))};
    const std::string_view host = api::string_at(node, {"hostPath"});
    d.host_path = host.empty() ? d.container_path : std::string(host);
    if (const auto p = api::string_at(node, {"permissions"}); !p.empty()) d.permissions = p;
    if (d.permissions.find_first_not_of("rwm") != std::string::npos)
      return fail(Reason::Invalid,
                  fmt::format("{}.deviceNodes: permissions \"{}\" are not of r, w, m", where, d.permissions));
    for (const std::string& path : {d.host_path, d.container_path})
      if (auto ok = require_absolute(path, where + ".deviceNodes"); !ok) return fail(ok.error());
    out.devices.push_back(std::move(d));
  }
  for (const Json& mount : api::array_at(edits, {"mounts"})) {
    Mount m{.host_path = std::string(api::string_at(mount, {"hostPath"})),
            .container_path = std::string(api::string_at(mount, {"containerPath"}))};
    const JsonArray& options = api::array_at(mount, {"options"});
    m.read_only = std::ranges::any_of(options, [](const Json& o) { return api::string_at(o, {}) == "ro"; });
    for (const std::string& path : {m.host_path, m.container_path})
      if (auto ok = require_absolute(path, where + ".mounts"); !ok) return fail(ok.error());
    out.mounts.push_back(std::move(m));
  }
  return out;
}

void set_env(ContainerSpec& c, std::string_view name, std::string value) {
  std::erase_if(c.env, [&](const auto& e) { return e.first == name; });
  c.env.emplace_back(std::string(name), std::move(value));
}

void add(const Edits& edits, ContainerSpec& c) {
  for (const auto& [name, value] : edits.env) set_env(c, name, value);
  for (const Mount& m : edits.mounts) {
    // A tenant's mount never hides the driver's.
    std::erase_if(c.mounts, [&](const Mount& own) { return own.container_path == m.container_path; });
    c.mounts.push_back(m);
  }
  for (const DeviceNode& d : edits.devices)
    if (std::ranges::none_of(c.devices,
                             [&](const DeviceNode& own) { return own.container_path == d.container_path; }))
      c.devices.push_back(d);
}

// The nodes by which the driver lets a process use this instance and no other of the board.
void add_capabilities(const gpu::MigDevice& mig, ContainerSpec& c) {
  for (const int minor : {mig.gpu_capability, mig.compute_capability}) {
    if (minor < 0) continue;
    const std::string path = fmt::format("/dev/nvidia-caps/nvidia-cap{}", minor);
    add({.devices = {{path, path, "r"}}}, c);
  }
}
}  // namespace

Spec spec_of(const gpu::Inventory& inventory, const Libraries& libraries) {
  Spec spec;
  spec.common.mounts = libraries.mounts;
  spec.common.devices = libraries.control_nodes;
  for (const gpu::Board& board : inventory.boards) {
    Device& device = spec.devices.emplace_back(Device{.name = board.uuid});
    if (inventory.simulated) continue;
    const std::string path = fmt::format("/dev/nvidia{}", board.minor);
    device.edits.devices.push_back({path, path, "rw"});
  }
  return spec;
}

api::JsonObject to_json(const Spec& spec) {
  JsonArray devices;
  for (const Device& d : spec.devices)
    devices.push_back(JsonObject{{"name", d.name}, {"containerEdits", edits_json(d.edits)}});
  return {{"cdiVersion", "0.6.0"},
          {"kind", spec.kind},
          {"devices", std::move(devices)},
          {"containerEdits", edits_json(spec.common)}};
}

Result<Spec> parse(const api::Json& document) {
  Spec spec;
  spec.kind = api::string_at(document, {"kind"});
  if (spec.kind.find('/') == std::string::npos)
    return fail(Reason::Invalid, fmt::format("kind: \"{}\" is not VENDOR/CLASS", spec.kind));
  const Json* common = api::find(document, {"containerEdits"});
  if (common) {
    auto edits = parse_edits(*common, "containerEdits");
    if (!edits) return fail(edits.error());
    spec.common = std::move(*edits);
  }
  size_t index = 0;
  for (const Json& item : api::array_at(document, {"devices"})) {
    const std::string where = fmt::format("devices[{}]", index++);
    Device device{.name = std::string(api::string_at(item, {"name"}))};
    if (device.name.empty()) return fail(Reason::Invalid, where + ".name: a device needs a name");
    if (const Json* own = api::find(item, {"containerEdits"})) {
      auto edits = parse_edits(*own, where + ".containerEdits");
      if (!edits) return fail(edits.error());
      device.edits = std::move(*edits);
    }
    spec.devices.push_back(std::move(device));
  }
  return spec;
}

Result<void> apply(const Spec& spec, const std::vector<Grant>& grants, ContainerSpec& c) {
  std::vector<const Device*> devices;
  for (const Grant& grant : grants) {
    const auto it = std::ranges::find(spec.devices, grant.board, &Device::name);
    if (it == spec.devices.end())
      return fail(Reason::NotFound,
                  fmt::format("device {}={} was granted but is not on this node", spec.kind, grant.board));
    devices.push_back(&*it);
  }
  std::erase_if(c.env, [](const auto& e) { return decides_about_gpus(e.first); });
  add(spec.common, c);
  for (const Device* device : devices) add(device->edits, c);
  std::vector<std::string> names;
  std::vector<std::string> limits;  // of memory, by ordinal
  int32_t least_milli = 1000;
  for (const Grant& grant : grants) {
    if (grant.mig) add_capabilities(*grant.mig, c);
    if (std::ranges::find(names, grant.device()) != names.end()) continue;
    if (grant.share() && grant.memory_mib > 0)
      limits.push_back(fmt::format("{}={}M", names.size(), grant.memory_mib));
    least_milli = std::min(least_milli, grant.milli);
    names.push_back(grant.device());
  }
  const std::string visible = fmt::format("{}", fmt::join(names, ","));
  set_env(c, "NVIDIA_VISIBLE_DEVICES", visible);
  if (std::ranges::any_of(grants, [](const Grant& g) { return g.mig.has_value(); }))
    set_env(c, "CUDA_VISIBLE_DEVICES", visible);
  if (!limits.empty())
    set_env(c, "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT", fmt::format("{}", fmt::join(limits, ",")));
  if (least_milli < 1000)
    set_env(c, "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", std::to_string(std::max(1, least_milli / 10)));
  return {};
}

void deny(ContainerSpec& c) {
  std::erase_if(c.env, [](const auto& e) { return decides_about_gpus(e.first); });
  c.env.emplace_back("NVIDIA_VISIBLE_DEVICES", "void");
}

}  // namespace ingot::node::cdi
