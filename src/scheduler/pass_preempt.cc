#include <algorithm>

#include "scheduler/pass.h"

namespace ingot::scheduler {

double Pass::rank(const Allocation& a) {
  const auto [known, fresh] = ranks_.try_emplace(a.uid, 0.0);
  if (!fresh) return known->second;
  int64_t milli = 0;
  for (const std::string& uid : m_.held_by_.find(a.work.unit)->second)
    milli += m_.amounts(m_.allocations_.find(uid)->second).gpu_milli;
  return known->second = policy_.rank(a.work, milli / 1000, now_ - a.since, {});
}

int64_t Pass::staying(const std::string& unit) const {
  const auto members = m_.held_by_.find(unit);
  if (members == m_.held_by_.end()) return 0;
  return std::ranges::count_if(
      members->second, [&](const std::string& uid) { return !m_.allocations_.find(uid)->second.leaving; });
}

// Whether there can be anybody: a cheap look before the search.
bool Pass::may_preempt(const UnitState& u) const {
  const auto running = m_.running_.find(u.leaf);
  if (running != m_.running_.end()) {
    if (u.unit.work.preempts &&
        running->second.begin()->first < u.unit.priority + policy_.plant_equal_preemption)
      return true;
    if (policy_.rank && running->second.contains(u.unit.priority)) return true;
  }
  return m_.queues_.entitled(u.leaf, u.asks);
}

void Pass::make_room(UnitState& u) {
  const bool preempts = may_preempt(u), moves = may_have_moved(u);
  if (!policy_.preempt || preemptors_ >= policy_.max_preemptors || !(preempts || moves) || entangled(u))
    return;
  if (const auto r = m_.reservations_.find(u.unit.id); r != m_.reservations_.end() && r->second.evicting) {
    const bool leaving = std::ranges::any_of(r->second.pods, [&](const auto& on) {
      const auto slot = m_.slots_.find(on.first);
      return slot != m_.slots_.end() &&
             std::ranges::any_of(m_.nodes_[size_t(slot->second)].pods, [&](const std::string& uid) {
               return m_.allocations_.find(uid)->second.leaving;
             });
    });
    if (leaving) return;
  }
  if (!moves && hopeless(u)) return;
  ++preemptors_;
  if (preempts) {
    forget_reservation(u.unit.id);
    if (clear(u)) return;
    note_hopeless(u);
  }
  if (moves) (void)move_others(u);
}

// What was searched in vain for one unit is in vain for those like it that come after it, until something changes:
// they may take from no more than it.
bool Pass::hopeless(const UnitState& u) {
  if (hopeless_version_ != m_.version_) hopeless_.clear();
  if (!alike(u)) return false;
  return std::ranges::any_of(hopeless_, [&](const UnitState* other) {
    const Unit &a = other->unit, &b = u.unit;
    return other->classes == u.classes && other->leaf == u.leaf && a.priority == b.priority &&
           a.work.preempts == b.work.preempts && a.least == b.least && a.topology == b.topology &&
           other->order.rank <= u.order.rank;
  });
}

void Pass::note_hopeless(const UnitState& u) {
  if (hopeless_version_ != m_.version_) hopeless_.clear();
  hopeless_version_ = m_.version_;
  if (alike(u)) hopeless_.push_back(&u);
}

// Nothing but what `hopeless` compares tells the unit from others.
bool Pass::alike(const UnitState& u) const { return kept_.empty() && subject(u, 0) < 0; }

void Pass::evict(UnitState& u, const std::vector<Victim>& victims, const std::map<int, int64_t>& rooms,
                 const std::set<int>& emptied, int64_t pods) {
  forget_reservation(u.unit.id);
  Reservation r{.unit = u.unit.id, .since = now_, .starts = now_, .evicting = true};
  for (const Victim& v : victims) {
    const Allocation& a = *v.pod;
    r.starts = std::max(*r.starts, later(now_, a.work.grace));
    out_.evictions.push_back({a.uid, a.work.unit, a.node, u.unit.id, v.why, v.message});
    m_.set_leaving(a.uid);
  }
  std::vector<std::tuple<bool, int64_t, int>> nodes;  // those emptied first, then the roomiest
  for (const auto& [slot, n] : rooms)
    if (n > 0) nodes.emplace_back(!emptied.contains(slot), -n, slot);
  std::ranges::sort(nodes);
  for (const auto& [untouched, n, slot] : nodes) {
    if (pods == 0) break;
    pods -= r.pods[m_.nodes_[size_t(slot)].node.name] = std::min(pods, -n);
  }
  m_.set_reservation(std::move(r));
  keep(m_.reservations_.find(u.unit.id)->second, u);
}

void Pass::forget_reservation(const std::string& unit) {
  std::erase_if(kept_, [&](const auto& k) { return k.second.by->unit == unit; });
  m_.drop_reservation(unit);
}

}  // namespace ingot::scheduler
