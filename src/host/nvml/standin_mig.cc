// MIG of the stand-in library: modes, GPU instances at legal places only (gpu/mig.h), one compute instance in each.
#include <cstdio>

#include "gpu/mig.h"
#include "host/nvml/standin.h"

namespace {
using namespace ingot::host::nvml;
using namespace ingot::host::nvml::standin;
using ingot::gpu::Profile;
using ingot::gpu::SimulatedBoard;
using ingot::gpu::SimulatedInstance;

constexpr size_t kMaxInstances = 7;

size_t index_of(const SimulatedBoard& board) { return size_t(&board - boards().data()); }

const Profile* profile_of(const SimulatedBoard& board, const SimulatedInstance& instance) {
  return ingot::gpu::find_profile(board.model->name, instance.profile);
}

std::vector<ingot::gpu::Instance> layout_of(const SimulatedBoard& board) {
  std::vector<ingot::gpu::Instance> layout;
  for (const SimulatedInstance& i : board.instances) layout.push_back({profile_of(board, i), i.start});
  return layout;
}

// As in the driver: of the board and the place, so the same instance made again has the same name.
std::string mig_uuid(const std::string& board, const Profile& profile, int start) {
  uint64_t a = 0xcbf29ce484222325ULL;
  for (const char c : board + "/" + std::to_string(profile.id) + "/" + std::to_string(start))
    a = (a ^ uint8_t(c)) * 0x100000001b3ULL;
  const uint64_t b = (a ^ 0x9e3779b97f4a7c15ULL) * 0x100000001b3ULL;
  char out[48];
  std::snprintf(out, sizeof out, "MIG-%08x-%04x-5%03x-a%03x-%012llx", unsigned(a >> 32),
                unsigned(a >> 16 & 0xffff), unsigned(a & 0xfff), unsigned(b >> 48 & 0xfff),
                static_cast<unsigned long long>(b & 0xffffffffffffULL));
  return out;
}

int free_id(const SimulatedBoard& board) {
  for (int id = 1;; ++id) {
    bool taken = false;
    for (const SimulatedInstance& i : board.instances) taken = taken || i.id == id;
    if (!taken) return id;
  }
}

// The board's newest state, for a change of it.
SimulatedBoard* again(Device device) { return target(device).board; }

Return fill_profile(const SimulatedBoard& board, const Profile* profile, GpuInstanceProfileInfo* out) {
  if (!profile) return kNotSupported;
  *out = {.id = unsigned(profile->id),
          .slices = unsigned(profile->slices),
          .instances = unsigned(profile->most),
          .multiprocessors = unsigned(profile->slices) * 16,
          .copy_engines = unsigned(profile->slices),
          .memory_mib = static_cast<unsigned long long>(profile->memory_mib)};
  return board.model->mig ? kSuccess : kNotSupported;
}
}  // namespace

EXPORT Return nvmlDeviceGetMigMode(Device device, unsigned* current, unsigned* pending) {
  WITH_BOARD(b);
  if (!b->model->mig) return kNotSupported;
  *current = *pending = b->mig_enabled;
  return kSuccess;
}

EXPORT Return nvmlDeviceSetMigMode(Device device, unsigned mode, Return* activation) {
  WITH_BOARD(b);
  if (!b->model->mig) return kNotSupported;
  if (!activation || mode > 1) return kInvalidArgument;
  *activation = kSuccess;
  return change_state([&] {
    SimulatedBoard* board = again(device);
    if (board->mode_fails || !board->instances.empty())
      *activation = kInUse;
    else
      board->mig_enabled = mode == 1;
    return kSuccess;
  });
}

EXPORT Return nvmlDeviceGetGpuInstanceProfileInfo(Device device, unsigned profile,
                                                  GpuInstanceProfileInfo* out) {
  WITH_BOARD(b);
  if (!out) return kInvalidArgument;
  for (const Profile& p : ingot::gpu::profiles(b->model->name))
    if (unsigned(p.nvml) == profile) return fill_profile(*b, &p, out);
  return kNotSupported;
}

EXPORT Return nvmlDeviceGetGpuInstancePossiblePlacements_v2(Device device, unsigned profile, Placement* out,
                                                            unsigned* count) {
  WITH_BOARD(b);
  const Profile* p = ingot::gpu::find_profile(b->model->name, int(profile));
  if (!count) return kInvalidArgument;
  if (!p) return kNotSupported;
  *count = 0;
  for (int start = 0; start < 8; ++start)
    if (p->may_start(start)) {
      if (out) out[*count] = {unsigned(start), unsigned(p->units)};
      ++*count;
    }
  return kSuccess;
}

EXPORT Return nvmlDeviceCreateGpuInstanceWithPlacement(Device device, unsigned profile,
                                                       const Placement* placement, GpuInstance* out) {
  WITH_BOARD(b);
  const Profile* p = ingot::gpu::find_profile(b->model->name, int(profile));
  if (!p || !placement || !out) return kInvalidArgument;
  if (placement->size != unsigned(p->units) || !p->may_start(int(placement->start))) return kInvalidArgument;
  return change_state([&] {
    SimulatedBoard* board = again(device);
    if (!board->mig_enabled) return kNotSupported;
    auto layout = layout_of(*board);
    layout.push_back({p, int(placement->start)});
    if (board->create_fails || !ingot::gpu::legal(board->model->name, layout)) return kInsufficientResources;
    board->instances.push_back(
        {.profile = std::string(p->name), .start = int(placement->start), .id = free_id(*board)});
    *out = static_cast<GpuInstance>(handle_of(index_of(*board), &board->instances.back()));
    return kSuccess;
  });
}

EXPORT Return nvmlGpuInstanceDestroy(GpuInstance device) {
  WITH_TARGET(t);
  if (!t.instance) return kInvalidArgument;
  return change_state([&] {
    const Target now = target(device);
    if (!now.instance) return kInvalidArgument;
    if (!now.instance->uuid.empty()) return kInUse;
    now.board->instances.erase(now.board->instances.begin() + (now.instance - now.board->instances.data()));
    return kSuccess;
  });
}

EXPORT Return nvmlDeviceGetGpuInstances(Device device, unsigned profile, GpuInstance* out, unsigned* count) {
  WITH_BOARD(b);
  if (!out || !count) return kInvalidArgument;
  if (!b->mig_enabled) return kNotSupported;
  *count = 0;
  for (const SimulatedInstance& i : b->instances)
    if (const Profile* p = profile_of(*b, i); p && unsigned(p->id) == profile)
      out[(*count)++] = static_cast<GpuInstance>(handle_of(index_of(*b), &i));
  return kSuccess;
}

EXPORT Return nvmlGpuInstanceGetInfo(GpuInstance device, GpuInstanceInfo* out) {
  WITH_TARGET(t);
  const Profile* p = t.instance ? profile_of(*t.board, *t.instance) : nullptr;
  if (!p || !out) return kInvalidArgument;
  *out = {.device = static_cast<Device>(handle_of(index_of(*t.board))),
          .id = unsigned(t.instance->id),
          .profile = unsigned(p->id),
          .placement = {unsigned(t.instance->start), unsigned(p->units)}};
  return kSuccess;
}

// Only what takes the whole of a GPU instance.
EXPORT Return nvmlGpuInstanceGetComputeInstanceProfileInfo(GpuInstance device, unsigned profile,
                                                           unsigned engines,
                                                           ComputeInstanceProfileInfo* out) {
  static constexpr int kSlices[kComputeProfiles] = {1, 2, 3, 4, 7, 8, 6, 1, 7};
  WITH_TARGET(t);
  const Profile* p = t.instance ? profile_of(*t.board, *t.instance) : nullptr;
  if (!p || !out || profile >= kComputeProfiles || engines != kSharedEngines) return kInvalidArgument;
  if (kSlices[profile] != p->slices || profile >= 7) return kNotSupported;
  *out = {.id = profile, .slices = unsigned(p->slices), .instances = 1};
  return kSuccess;
}

EXPORT Return nvmlGpuInstanceCreateComputeInstance(GpuInstance device, unsigned profile,
                                                   ComputeInstance* out) {
  WITH_TARGET(t);
  if (!t.instance || !out || profile >= kComputeProfiles) return kInvalidArgument;
  return change_state([&] {
    const Target now = target(device);
    if (!now.instance) return kInvalidArgument;
    if (!now.instance->uuid.empty()) return kInsufficientResources;
    now.instance->uuid =
        mig_uuid(now.board->uuid, *profile_of(*now.board, *now.instance), now.instance->start);
    *out = static_cast<ComputeInstance>(handle_of(index_of(*now.board), now.instance));
    return kSuccess;
  });
}

EXPORT Return nvmlGpuInstanceGetComputeInstances(GpuInstance device, unsigned profile, ComputeInstance* out,
                                                 unsigned* count) {
  WITH_TARGET(t);
  if (!t.instance || !out || !count || profile >= kComputeProfiles) return kInvalidArgument;
  *count = t.instance->uuid.empty() ? 0 : 1;
  if (*count) *out = static_cast<ComputeInstance>(handle_of(index_of(*t.board), t.instance));
  return kSuccess;
}

EXPORT Return nvmlComputeInstanceGetInfo_v2(ComputeInstance device, ComputeInstanceInfo* out) {
  WITH_TARGET(t);
  const Profile* p = t.instance ? profile_of(*t.board, *t.instance) : nullptr;
  if (!p || !out) return kInvalidArgument;
  *out = {.device = static_cast<Device>(handle_of(index_of(*t.board))),
          .gpu_instance = static_cast<GpuInstance>(handle_of(index_of(*t.board), t.instance)),
          .placement = {0, unsigned(p->slices)}};
  return kSuccess;
}

EXPORT Return nvmlComputeInstanceDestroy(ComputeInstance device) {
  WITH_TARGET(t);
  if (!t.instance) return kInvalidArgument;
  return change_state([&] {
    const Target now = target(device);
    if (!now.instance) return kInvalidArgument;
    now.instance->uuid.clear();
    return kSuccess;
  });
}

EXPORT Return nvmlDeviceIsMigDeviceHandle(Device device, unsigned* out) {
  WITH_TARGET(t);
  if (!out) return kInvalidArgument;
  *out = t.instance != nullptr;
  return kSuccess;
}
EXPORT Return nvmlDeviceGetGpuInstanceId(Device device, unsigned* out) {
  WITH_TARGET(t);
  if (!t.instance || !out) return kInvalidArgument;
  *out = unsigned(t.instance->id);
  return kSuccess;
}
EXPORT Return nvmlDeviceGetComputeInstanceId(Device device, unsigned* out) {
  WITH_TARGET(t);
  if (!t.instance || !out) return kInvalidArgument;
  *out = 0;
  return kSuccess;
}
EXPORT Return nvmlDeviceGetMaxMigDeviceCount(Device device, unsigned* out) {
  WITH_BOARD(b);
  if (!out) return kInvalidArgument;
  *out = b->mig_enabled ? kMaxInstances : 0;
  return kSuccess;
}
EXPORT Return nvmlDeviceGetMigDeviceHandleByIndex(Device device, unsigned index, Device* out) {
  WITH_BOARD(b);
  if (!out) return kInvalidArgument;
  for (const SimulatedInstance& i : b->instances)
    if (!i.uuid.empty() && index-- == 0)
      return *out = static_cast<Device>(handle_of(index_of(*b), &i)), kSuccess;
  return kNotFound;
}
EXPORT Return nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Device device, Device* out) {
  WITH_TARGET(t);
  if (!t.instance || !out) return kInvalidArgument;
  *out = static_cast<Device>(handle_of(index_of(*t.board)));
  return kSuccess;
}
