// One pass, phase by phase, over a model that nothing else changes meanwhile. Internal to the room: each phase
// has its own file.
#pragma once

#include <functional>
#include <span>
#include <unordered_map>

#include "scheduler/class.h"
#include "scheduler/explain.h"
#include "scheduler/forecast.h"
#include "scheduler/schedule.h"
#include "scheduler/topology_choice.h"

namespace ingot::scheduler {

WallTime later(WallTime, Duration);
// The node's space once the allocation is gone.
void release(Space&, const NodeState&, const Allocation&);
// Takes the shape out of the space: a share from the fullest board that holds it. False: it does not fit.
bool put(Space&, const Shape&);
int64_t pods_that_fit(Space, const Shape&, int64_t most);
// In whole groups; `most` is rounded up to them.
int64_t groups_that_fit(const Space&, const Shape&, int64_t most, int64_t group);
// By slot: the domain of the level that the gang requires, -1 where there is none; all one without such a level.
std::vector<int> domains_of(const TopologyTree&, const TopologyAsk&, size_t slots);

class Pass {
 public:
  Pass(Model& model, const Policy& policy, WallTime now) : m_(model), policy_(policy), now_(now) {}
  Placements run();
  // Beside a pass (pass_forecast.cc).
  Forecast forecast(const Unit&, bool quick);
  std::optional<Prospect> prospect(std::string_view unit);
  std::vector<QueueLine> queue_lines() const;

 private:
  struct Guest;
  using UnitState = Model::UnitState;
  // A node that is kept for a unit.
  struct Kept {
    const Reservation* by = nullptr;
    Space spare;               // what others may take of it for longer than until by->starts
    gpu::BoardMask apart = 0;  // those where no other tenant's share may come before the unit's own
  };

  // Phase 1 (pass_reserve.cc): reservations end with their unit, their nodes or their time.
  void settle_reservations();
  std::optional<WallTime> ends(const Allocation&) const;
  std::optional<WallTime> ends_itself(const Allocation&) const;
  WallTime gives_up(const Reservation&) const;
  bool closed(const Reservation&) const;
  const Class& largest(const UnitState&) const;
  int64_t group_on_node(const UnitState&) const;  // ranks that must share a node
  bool holds(const Reservation&, const UnitState&) const;
  // Pods that fit there now, of what the unit may take.
  int32_t room_for(const UnitState&, const Class&, int slot, int64_t most) const;
  Space projected(const Class&, int slot, WallTime by) const;
  std::optional<WallTime> starts(const Reservation&, const UnitState&) const;
  void keep(const Reservation&, const UnitState&);
  bool admits(const UnitState&, const Class&, int slot) const;
  bool ends_before(const UnitState&, const Reservation&) const;
  const Kept* kept_from(const UnitState&, int slot) const;  // nullptr: it may take what is free
  Space open_to(const UnitState&, const Class&, int slot) const;
  void spend(const UnitState&, const Class&, int slot, std::span<const Held> given);
  // Phase 2 (pass_place.cc): queue by queue, unit by unit.
  void place();
  bool try_unit(UnitState&);
  void choose(UnitState&, size_t other);
  bool try_others(UnitState&, const Amounts& claimed);
  std::optional<std::string> refused(const UnitState&, const Amounts& claimed) const;
  std::optional<std::string> over_tenant(const UnitState&, int64_t gpu_milli) const;
  bool over_limit(const UnitState&, size_t pod) const;
  bool place_pods(UnitState&);
  void finish(const UnitState&, size_t placed);
  bool place_by_topology(UnitState&, size_t pods, std::string* why);
  bool take_any(UnitState&, size_t pod, bool alone);
  void take_at(UnitState&, size_t pod, int slot, std::string why, gpu::BoardMask within = gpu::kAllBoards);
  std::string why_here(const Class&, bool near) const;
  gpu::BoardMask island_for(const UnitState&, size_t first, size_t group, size_t n, int slot) const;
  void rank_units();
  // Other pods' places (pass_affinity.cc): -1: nothing of that kind says anything about the pod.
  AffinityIndex::Id subject(const UnitState&, size_t pod) const;
  int choose_near(UnitState&, size_t pod, AffinityIndex::Id, bool* refused);
  int32_t pods_allowed(AffinityIndex::Id, int slot, int32_t most);
  bool allowed(const UnitState&, size_t pod, int slot);
  // A gang whose pods may be in each other's way: where it would fit is not known before it is tried.
  bool entangled(const UnitState&) const;
  std::shared_ptr<const std::string> affinity_reason(UnitState&, size_t pod);
  // Phase 3 (pass_preempt.cc): room for who is due it.
  class Clearing;  // (pass_clear.cc)
  bool clear(UnitState&);
  bool may_preempt(const UnitState&) const;
  double rank(const Allocation&);  // of what runs, in this pass
  void forget_reservation(const std::string& unit);
  void make_room(UnitState&);
  bool hopeless(const UnitState&);
  void note_hopeless(const UnitState&);
  bool alike(const UnitState&) const;
  int64_t staying(const std::string& unit) const;  // its pods that run and were not told to go
  struct Victim {
    const Allocation* pod;
    Eviction::Why why;
    std::string message;
  };
  // They go, and the unit gets their room: `pods` on nodes with so much of it by slot, the emptied first.
  void evict(UnitState&, const std::vector<Victim>&, const std::map<int, int64_t>& rooms,
             const std::set<int>& emptied, int64_t pods);
  // (pass_move.cc)
  class Moving;
  bool may_have_moved(const UnitState&) const;
  bool move_others(UnitState&);
  // Phase 4 (pass_reserve.cc): room for who has waited longest, and when to look again for that.
  void reserve();
  bool lacks_room(UnitState&);
  std::optional<Reservation> earliest_room(const UnitState&);
  std::optional<Reservation> room_of_younger(const UnitState&);
  // Phase 5 (pass_explain.cc): a reason for every unit that was looked at.
  void explain_waiting();
  void explain_class(Class&);
  std::shared_ptr<const std::string> gang_reason(UnitState&, size_t placed);
  std::shared_ptr<const std::string> too_large(
      UnitState&);  // a gang for the whole factory; nullptr: it is not
  Explanation explain_now(const Class&);
  bool may_explain() const { return m_.checks_ - checks_placed_ < policy_.max_checks; }

  void keep_all();
  std::string model_at(int slot) const;
  int64_t gpu_milli(const Class&, int slot) const;  // of one pod there
  Forecast forecast(UnitState&, bool quick);
  std::optional<Forecast> now_or_never(UnitState&, const Amounts& claimed);
  std::vector<NodeLine> node_lines(const UnitState&, size_t* more);
  std::string preemption(const UnitState&) const;

  UnitState& state(const std::string& id) { return m_.units_.find(id)->second; }
  uint64_t journal_end() const { return m_.journal_start_ + m_.journal_.size(); }
  size_t work() const { return m_.checks_ - checks_start_; }
  void wake(WallTime at);

  Model& m_;
  const Policy& policy_;
  const WallTime now_;
  size_t checks_start_ = 0, checks_placed_ = 0, placed_ = 0, preemptors_ = 0;
  std::map<int, Kept> kept_;                       // by slot
  std::unordered_map<std::string, double> ranks_;  // by uid; for look-ups only
  std::vector<const UnitState*> hopeless_;         // searched for in vain, at that version of the model
  uint64_t hopeless_version_ = 0;
  std::vector<UnitState*> waiting_;  // in order
  std::vector<const NodeState*> nodes_;
  uint64_t looked_at_ = 0;
  Placements out_;
};

}  // namespace ingot::scheduler
