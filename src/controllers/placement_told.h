// What placement tells pods that it does not give a node: why they wait, and that they must go. Writes in its turn.
// Thread rule: the loop.
#pragma once

#include <optional>
#include <vector>

#include "controllers/placement_units.h"
#include "scheduler/schedule.h"
#include "store/shard.h"

namespace ingot::controllers {

inline constexpr std::string_view kScheduler = "ingot-scheduler";  // whose Events those are

struct ReasonLimits {
  size_t per_turn;
  Duration every;  // how often one pod's reason may change, while few wait
};
struct Reasons {
  size_t written = 0;
  bool more = false;             // there are some that may be written now
  std::optional<WallTime> next;  // when others may be
};
Reasons write_reasons(store::Turn&, const std::vector<scheduler::Waiting>&, const scheduler::Model&,
                      PlacementUnits&, const ReasonLimits&, WallTime now);

enum class Told : uint8_t {
  Yes,
  Needless,  // it is gone, or on its way
  No,        // the disk is full, so it does not leave
};
Told tell_to_go(store::Turn&, const scheduler::Eviction&, WallTime now);

}  // namespace ingot::controllers
