// What the stand-in measures: plausible figures that follow from the description and the time alone. A held board works
// (or as much as `use` says), a free one rests; power, heat and clocks follow from that.
#include <algorithm>
#include <cstdint>
#include <ctime>

#include "gpu/mig.h"
#include "host/nvml/standin.h"

namespace {
using namespace ingot::host::nvml;
using namespace ingot::host::nvml::standin;
using ingot::gpu::SimulatedBoard;

constexpr unsigned kSmClock = 1, kIdleClock_mhz = 345, kBusyClock_mhz = 1755;
constexpr unsigned kRoomTemperature_c = 27, kWarmth_c = 38;

// Board power, in watts, by family: NVIDIA's data sheets of the largest form.
unsigned power_w(const ingot::gpu::Model& model) {
  if (model.family == "blackwell") return 1000;
  if (model.family == "hopper") return 700;
  if (model.name == "A30") return 165;
  if (model.name == "T4" || model.name == "L4") return 72;
  return 350;
}

// 90 to 98 percent, another figure every minute: of every board its own, but the same for who looks again.
unsigned busy(const SimulatedBoard& board) {
  uint64_t hash = 0xcbf29ce484222325ULL ^ uint64_t(std::time(nullptr) / 60);
  for (const char c : board.uuid) hash = (hash ^ uint8_t(c)) * 0x100000001b3ULL;
  return 90 + unsigned(hash >> 32) % 9;
}

unsigned utilisation(const SimulatedBoard& board) {
  if (!board.held) return 0;
  return board.use >= 0 ? unsigned(board.use) : busy(board);
}
}  // namespace

// What happens to the boards from now on: the faults, use and holders of a description of the same ones. Their MIG
// instances and memory stay as they are. Ours alone.
EXPORT Return ingotNvmlDescribe(const char* text) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (s.users == 0) return kUninitialized;
  auto parsed = ingot::gpu::parse_description(text ? text : "", "");
  if (!parsed || parsed->nodes.empty()) return kInvalidArgument;
  const auto& now = parsed->nodes.front().boards;
  if (!std::ranges::equal(now, boards(), {}, &SimulatedBoard::uuid, &SimulatedBoard::uuid))
    return kInvalidArgument;
  for (size_t i = 0; i < now.size(); ++i) {
    if (now[i].xid != boards()[i].xid) s.xid_told[i] = false;
    s.happens.insert_or_assign(now[i].uuid, now[i]);
  }
  apply_happenings();
  return kSuccess;
}

EXPORT Return nvmlDeviceGetMemoryInfo(Device device, Memory* out) {
  WITH_TARGET(t);
  const ingot::gpu::Profile* cut =
      t.instance ? ingot::gpu::find_profile(t.board->model->name, t.instance->profile) : nullptr;
  const auto total = static_cast<unsigned long long>(cut ? cut->memory_mib : t.board->model->memory_mib);
  const auto used = t.board->held ? total * (5 + utilisation(*t.board) * 7 / 10) / 100 : 0;
  *out = {total << 20, (total - used) << 20, used << 20};
  return kSuccess;
}
EXPORT Return nvmlDeviceGetUtilizationRates(Device device, Utilization* out) {
  WITH_BOARD(b);
  if (b->mig_enabled) return kNotSupported;
  *out = {utilisation(*b), utilisation(*b) * 6 / 10};
  return kSuccess;
}
EXPORT Return nvmlDeviceGetPowerUsage(Device device, unsigned* milliwatt) {
  WITH_BOARD(b);
  *milliwatt = power_w(*b->model) * (100 + utilisation(*b) * 8);  // a tenth of it at rest, 90 % at work
  return kSuccess;
}
EXPORT Return nvmlDeviceGetTemperature(Device device, int, unsigned* out) {
  WITH_BOARD(b);
  *out = kRoomTemperature_c + utilisation(*b) * kWarmth_c / 100;
  return kSuccess;
}
EXPORT Return nvmlDeviceGetClockInfo(Device device, unsigned which, unsigned* out) {
  WITH_BOARD(b);
  if (which != kSmClock) return kNotSupported;
  *out = utilisation(*b) > 0 ? kBusyClock_mhz : kIdleClock_mhz;
  return kSuccess;
}
EXPORT Return nvmlDeviceGetTotalEccErrors(Device device, int kind, int, unsigned long long* out) {
  WITH_BOARD(b);
  *out = kind == 1 ? b->ecc_errors : 0;
  return kSuccess;
}

// A sample of a MIG instance is how busy it was then.
namespace ingot::host::nvml {
struct GpmSampleTag {
  unsigned busy;
};
}  // namespace ingot::host::nvml
EXPORT Return nvmlGpmSampleAlloc(GpmSample* out) {
  return out ? (*out = new GpmSampleTag{}, kSuccess) : kInvalidArgument;
}
EXPORT Return nvmlGpmSampleFree(GpmSample sample) {
  delete sample;
  return kSuccess;
}
EXPORT Return nvmlGpmMigSampleGet(Device device, unsigned gpu_instance, GpmSample sample) {
  WITH_BOARD(b);
  const bool there = std::ranges::any_of(
      b->instances, [&](const ingot::gpu::SimulatedInstance& i) { return unsigned(i.id) == gpu_instance; });
  if (!there || !sample) return kInvalidArgument;
  sample->busy = utilisation(*b);
  return kSuccess;
}
EXPORT Return nvmlGpmMetricsGet(GpmMetrics* out) {
  if (!out || out->version != kGpmVersion || !out->first || !out->second) return kInvalidArgument;
  for (unsigned i = 0; i < out->count; ++i) {
    out->metrics[i].code = out->metrics[i].id == kGpmGraphicsUtil ? kSuccess : kNotSupported;
    out->metrics[i].value = (out->first->busy + out->second->busy) / 2.0;
  }
  return kSuccess;
}

// XIDs of the description are told once, then waiting times out at once: nothing else ever happens here.
EXPORT Return nvmlEventSetCreate(EventSet* out) {
  return out ? (*out = reinterpret_cast<EventSet>(1), kSuccess) : kInvalidArgument;
}
EXPORT Return nvmlDeviceRegisterEvents(Device device, unsigned long long, EventSet) {
  WITH_BOARD(b);
  return kSuccess;
}
EXPORT Return nvmlEventSetWait_v2(EventSet, EventData* out, unsigned) {
  if (!state().users) return kUninitialized;
  if (!out) return kInvalidArgument;
  const std::lock_guard lock(state().mutex);
  for (size_t i = 0; i < boards().size(); ++i)
    if (boards()[i].xid && !state().xid_told[i]) {
      state().xid_told[i] = true;
      *out = {static_cast<Device>(handle_of(i)), kEventXid, boards()[i].xid, ~0u, ~0u};
      return kSuccess;
    }
  return kTimeout;
}
EXPORT Return nvmlEventSetFree(EventSet) { return kSuccess; }
