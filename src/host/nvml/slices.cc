#include "host/nvml/slices.h"

#include <algorithm>
#include <cstdio>

#include "gpu/mig.h"
#include "gpu/models.h"

namespace ingot::host::nvml {
namespace {

using gpu::MigDevice;
template <class T>
using Expected = std::expected<T, std::string>;

constexpr unsigned kMostInstances = 16;

struct Existing {
  GpuInstance handle = nullptr;
  GpuInstanceInfo info{};
};

std::vector<Existing> existing(const Session& session, Device device) {
  const Api& a = session.api();
  std::vector<Existing> out;
  for (unsigned i = 0; i < kGpuInstanceProfiles; ++i) {
    GpuInstanceProfileInfo profile{};
    if (a.profile_info(device, i, &profile) != kSuccess) continue;
    GpuInstance handles[kMostInstances] = {};
    unsigned count = 0;
    if (profile.instances > kMostInstances ||
        a.gpu_instances(device, profile.id, handles, &count) != kSuccess)
      continue;
    for (unsigned n = 0; n < std::min(count, kMostInstances); ++n) {
      Existing found{.handle = handles[n]};
      if (a.gpu_instance_info(handles[n], &found.info) == kSuccess) out.push_back(found);
    }
  }
  return out;
}

// The minor of a capability's device node, as the driver tells it in /proc.
int capability(int minor, unsigned gpu_instance, const std::string& rest) {
  const std::string path = "/proc/driver/nvidia/capabilities/gpu" + std::to_string(minor) + "/mig/gi" +
                           std::to_string(gpu_instance) + rest + "/access";
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (!file) return -1;
  int found = -1;
  char line[128];
  while (std::fgets(line, sizeof line, file) && std::sscanf(line, "DeviceFileMinor: %d", &found) != 1) {
  }
  std::fclose(file);
  return found;
}

// What can be asked of the MIG device itself: who has only the device, as a container has, learns this much.
MigDevice describe(const Session& session, Device mig) {
  const Api& a = session.api();
  MigDevice out;
  char text[kNameBuffer] = {};
  if (a.uuid(mig, text, sizeof text) == kSuccess) out.uuid = text;
  if (a.name(mig, text, sizeof text) == kSuccess)
    if (const std::string name = text; name.rfind(" MIG ") != name.npos)
      out.profile = name.substr(name.rfind(" MIG ") + 5);
  unsigned id = 0;
  if (a.gpu_instance_id(mig, &id) == kSuccess) out.gpu_instance = int(id);
  if (a.compute_instance_id(mig, &id) == kSuccess) out.compute_instance = int(id);
  Memory memory{};
  if (a.memory(mig, &memory) == kSuccess) out.memory_mib = int64_t(memory.total >> 20);
  return out;
}

Expected<std::string> model_of(const Session& session, Device device) {
  char name[kNameBuffer] = {};
  Memory memory{};
  const Api& a = session.api();
  if (const Return code = a.name(device, name, sizeof name); code != kSuccess)
    return std::unexpected("name: " + session.error(code));
  if (const Return code = a.memory(device, &memory); code != kSuccess)
    return std::unexpected("memory: " + session.error(code));
  const gpu::Model* model = gpu::model_of_product(name, int64_t(memory.total >> 20));
  return std::string(model ? model->name : std::string_view(name));
}

struct Opened {
  std::shared_ptr<const Session> session;
  Device device = nullptr;
  bool capable = false, enabled = false;
};
Expected<Opened> open(const std::string& library, const std::string& board) {
  auto session = Session::open(library);
  if (!session) return std::unexpected(session.error());
  const auto device = (*session)->board(board);
  if (!device) return std::unexpected(device.error());
  Opened out{.session = std::move(*session), .device = *device};
  const Api& a = out.session->api();
  if (!a.complete_mig()) return std::unexpected(library + " is older than MIG");
  unsigned current = 0, pending = 0;
  const Return code = a.mig(out.device, &current, &pending);
  if (code != kSuccess && code != kNotSupported)
    return std::unexpected("MIG mode: " + out.session->error(code));
  out.capable = code == kSuccess;
  out.enabled = out.capable && current != 0;
  return out;
}

Expected<void> set_mode(const Opened& on, bool enabled) {
  Return activation = kSuccess;
  const Return code = on.session->api().set_mig(on.device, enabled ? 1 : 0, &activation);
  for (const Return bad : {code, activation})
    if (bad != kSuccess)
      return std::unexpected(std::string("cannot turn MIG mode ") + (enabled ? "on" : "off") + ": " +
                             on.session->error(bad));
  return {};
}

Expected<void> make_compute_instance(const Session& session, GpuInstance instance, int slices) {
  const Api& a = session.api();
  for (unsigned i = 0; i < kComputeProfiles; ++i) {
    ComputeInstanceProfileInfo profile{};
    if (a.compute_profile_info(instance, i, kSharedEngines, &profile) != kSuccess ||
        int(profile.slices) != slices)
      continue;
    ComputeInstance made[kMostInstances] = {};
    unsigned count = 0;
    if (profile.instances <= kMostInstances &&
        a.compute_instances(instance, profile.id, made, &count) == kSuccess && count > 0)
      return {};
    if (const Return code = a.create_compute_instance(instance, profile.id, made); code != kSuccess)
      return std::unexpected("cannot make its compute instance: " + session.error(code));
    return {};
  }
  return std::unexpected("the driver has no compute instance of " + std::to_string(slices) + " slices");
}

std::string place(const std::string& profile, int start) { return profile + " at " + std::to_string(start); }

}  // namespace

std::vector<MigDevice> list_instances(const Session& session, Device device, const std::string& model) {
  const Api& a = session.api();
  std::vector<MigDevice> out;
  if (!a.complete_mig()) return out;
  unsigned most = 0;
  if (a.most_mig_devices(device, &most) != kSuccess) return out;
  for (unsigned i = 0; i < std::min(most, kMostInstances); ++i) {
    Device mig = nullptr;
    if (a.mig_device(device, i, &mig) == kSuccess) out.push_back(describe(session, mig));
  }
  unsigned minor = 0;
  const bool has_minor = a.minor(device, &minor) == kSuccess;
  for (const Existing& e : existing(session, device)) {
    auto at = std::ranges::find(out, int(e.info.id), &MigDevice::gpu_instance);
    if (at == out.end()) at = out.insert(out.end(), {.gpu_instance = int(e.info.id)});
    at->start = int(e.info.placement.start);
    if (const gpu::Profile* profile = gpu::find_profile(model, int(e.info.profile))) {
      at->profile = profile->name;
      if (at->memory_mib == 0) at->memory_mib = profile->memory_mib;
    }
    if (!has_minor || a.simulated) continue;
    at->gpu_capability = capability(int(minor), e.info.id, "");
    if (at->compute_instance >= 0)
      at->compute_capability =
          capability(int(minor), e.info.id, "/ci" + std::to_string(at->compute_instance));
  }
  std::ranges::sort(out, {}, &MigDevice::start);
  return out;
}

Expected<MigDevice> make_instance(const std::string& library, const std::string& board,
                                  const std::string& name, int start) {
  auto on = open(library, board);
  if (!on) return std::unexpected(on.error());
  const auto model = model_of(*on->session, on->device);
  if (!model) return std::unexpected(model.error());
  const gpu::Profile* profile = gpu::find_profile(*model, name);
  if (!on->capable || !profile)
    return std::unexpected(*model + " has no MIG profile " + name + "; it has " +
                           (on->capable ? gpu::profile_names(*model) : "none"));
  if (!on->enabled) {
    if (auto set = set_mode(*on, true); !set) return std::unexpected(set.error());
    on = open(library, board);  // what was known of the board may have changed with the mode
    if (!on) return std::unexpected(on.error());
    if (!on->enabled)
      return std::unexpected("MIG mode is off after it was turned on: the GPU requires a reset");
  }
  const Api& a = on->session->api();
  GpuInstance instance = nullptr;
  for (const Existing& e : existing(*on->session, on->device))
    if (e.info.placement.start == unsigned(start) && e.info.profile == unsigned(profile->id))
      instance = e.handle;
  if (!instance) {
    const Placement at{unsigned(start), unsigned(profile->units)};
    const Return code = a.create_gpu_instance(on->device, unsigned(profile->id), &at, &instance);
    if (code != kSuccess)
      return std::unexpected("cannot make " + place(name, start) + ": " + on->session->error(code));
  }
  if (auto made = make_compute_instance(*on->session, instance, profile->slices); !made)
    return std::unexpected(place(name, start) + ": " + made.error());
  for (const MigDevice& device : list_instances(*on->session, on->device, *model))
    if (device.start == start && !device.uuid.empty()) return device;
  return std::unexpected(place(name, start) + " was made but is not listed");
}

Expected<void> destroy_instance(const std::string& library, const std::string& board, int start) {
  const auto on = open(library, board);
  if (!on) return std::unexpected(on.error());
  if (!on->enabled) return {};
  const Api& a = on->session->api();
  for (const Existing& e : existing(*on->session, on->device)) {
    if (e.info.placement.start != unsigned(start)) continue;
    for (unsigned i = 0; i < kComputeProfiles; ++i) {
      ComputeInstanceProfileInfo profile{};
      ComputeInstance handles[kMostInstances] = {};
      unsigned count = 0;
      if (a.compute_profile_info(e.handle, i, kSharedEngines, &profile) != kSuccess ||
          profile.instances > kMostInstances ||
          a.compute_instances(e.handle, profile.id, handles, &count) != kSuccess)
        continue;
      for (unsigned n = 0; n < std::min(count, kMostInstances); ++n)
        if (const Return code = a.destroy_compute_instance(handles[n]); code != kSuccess)
          return std::unexpected("cannot destroy a compute instance: " + on->session->error(code));
    }
    if (const Return code = a.destroy_gpu_instance(e.handle); code != kSuccess)
      return std::unexpected("cannot destroy the instance at " + std::to_string(start) + ": " +
                             on->session->error(code));
  }
  return {};
}

Expected<void> make_whole(const std::string& library, const std::string& board) {
  const auto on = open(library, board);
  if (!on) return std::unexpected(on.error());
  if (!on->enabled) return {};
  return set_mode(*on, false);
}

}  // namespace ingot::host::nvml
