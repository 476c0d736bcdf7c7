// What the parts of the stand-in library share: its state, and who a handle stands for. The state is the description's
// node; where $INGOT_GPU_STATE names a file, what changes is kept there, for every process that reads it, and survives
// them. Changing it needs that file: a description alone, as a container has it, is only read.
// Thread rule: any; who touches the state holds `state().mutex`.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "gpu/description.h"
#include "host/nvml/abi.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace ingot::host::nvml::standin {

struct State {
  std::recursive_mutex mutex;
  int users = 0;
  std::string file;  // "" = none
  std::string text;  // as read last
  gpu::Description description;
  std::vector<bool> xid_told;
  std::map<std::string, gpu::SimulatedBoard> happens;  // by uuid: what ingotNvmlDescribe said last
};
State& state();

// Reads the description, or the state file where there is one; Driver Not Loaded without either.
Return open_state();
// Reads the state file again if it changed.
void refresh();
// What happens to boards over what they were described as: faults, use, who holds them.
void apply_happenings();

gpu::SimulatedNode& node();
inline std::vector<gpu::SimulatedBoard>& boards() { return node().boards; }

// A board, or a MIG instance on it. Handles are positions and ids: a stale or foreign one is recognised, not followed.
struct Target {
  gpu::SimulatedBoard* board = nullptr;
  gpu::SimulatedInstance* instance = nullptr;
};
Target target(const void* handle);
void* handle_of(size_t board, const gpu::SimulatedInstance* = nullptr);

// With the lock held. A board that hangs never comes back, without the lock.
Return usable(const void* handle, Target& out, std::unique_lock<std::recursive_mutex>&);

// Runs `change` on the newest state and keeps what it did if it succeeds. No Permission without a state file.
template <class F>
Return change_state(F change);
Return lock_state(int& fd);  // and reads it
Return unlock_state(int fd, bool keep);

template <class F>
Return change_state(F change) {
  int fd = -1;
  if (const Return locked = lock_state(fd); locked != kSuccess) return locked;
  const Return done = change();
  const Return kept = unlock_state(fd, done == kSuccess);
  return done == kSuccess ? kept : done;
}

}  // namespace ingot::host::nvml::standin

#define WITH_TARGET(name)                                            \
  std::unique_lock<std::recursive_mutex> name##_lock(state().mutex); \
  Target name;                                                       \
  if (const Return name##_code = usable(device, name, name##_lock)) return name##_code
#define WITH_BOARD(name)                            \
  WITH_TARGET(name##_target);                       \
  if (name##_target.instance) return kNotSupported; \
  [[maybe_unused]] SimulatedBoard* name = name##_target.board
