#include <algorithm>

#include "scheduler/pass.h"

namespace ingot::scheduler {
namespace {

constexpr size_t kMostMoves = 64, kMostTries = 256;  // pods that move for one unit; that room is looked for

}  // namespace

// Consolidation: pods marked movable start again elsewhere, where a unit fits that now lacks room only because what
// is free is scattered. A pod moves only into room that stays free of use to the unit; one at a time, so that of
// gangs only pods beyond their least move. Nobody is moved twice for one unit: a unit has others moved once. And who
// is movable moves nobody, so that no move leads to another.
class Pass::Moving {
 public:
  Moving(Pass& pass, UnitState& u) : p_(pass), m_(pass.m_), u_(u), c_(pass.largest(u)) {}

  bool find() {
    pods_ = u_.unit.least.value_or(int64_t(u_.unit.pods.size()));
    group_ = p_.group_on_node(u_);
    domains_ = domains_of(m_.topology_, u_.unit.topology, m_.nodes_.size());
    look();
    std::map<int, int64_t> most;  // pods a domain would hold with every movable pod gone
    for (const auto& [slot, seat] : seats_) most[seat.domain] += seat.emptied;
    for (const auto& [domain, n] : most) {
      if (n < pods_ || !within(domain)) continue;
      commit(domain);
      return true;
    }
    return false;
  }

 private:
  struct Mover {
    const Allocation* pod;
    Class request;  // as far as its allocation tells: GPUs of the same model, and where it may run
    double lost;    // GPU-seconds of work
  };
  struct Seat {
    Space space;  // what the unit sees there, once those that were chosen have moved
    Shape shape;
    int domain = 0;
    int64_t fits = 0, emptied = 0;  // pods of the unit now; with every movable pod gone
    std::vector<size_t> movers;     // the cheapest first
  };
  struct Plan {
    std::map<int, Seat> changed;               // by slot: the others are as in seats_
    std::map<int, std::vector<Shape>> coming;  // by slot
    std::vector<size_t> moves;
    int64_t pods = 0;  // of the unit, that fit
  };

  void look() {
    std::map<std::string, int64_t> spare;  // of an elastic gang: pods beyond its least
    for (const auto& [name, slot] : m_.slots_) {
      ++m_.checks_;
      const int domain = domains_[size_t(slot)];
      if (domain < 0 || !c_.eligible(m_, slot) || p_.kept_from(u_, slot) || !p_.allowed(u_, 0, slot))
        continue;
      Seat seat{c_.space(m_, slot), c_.shape(m_, slot), domain};
      seat.fits = fit(seat);
      Seat emptied = seat;
      for (const std::string& uid : m_.nodes_[size_t(slot)].pods) {
        const Allocation& a = m_.allocations_.find(uid)->second;
        if (!may_move(a, spare)) continue;
        seat.movers.push_back(movers_.size());
        movers_.push_back({&a, Class(request_of(a, slot), a.tenant, ""), lost(a)});
        release(emptied.space, m_.nodes_[size_t(slot)], a);
      }
      seat.emptied = fit(emptied);
      std::ranges::sort(seat.movers, {},
                        [&](size_t i) { return std::pair(movers_[i].lost, movers_[i].pod->uid); });
      seats_.emplace(slot, std::move(seat));
    }
  }

  const Seat& now(int slot) const {
    const auto found = plan_.changed.find(slot);
    return found == plan_.changed.end() ? seats_.at(slot) : found->second;
  }

  int64_t fit(const Seat& seat) const { return groups_that_fit(seat.space, seat.shape, pods_, group_); }

  bool may_move(const Allocation& a, std::map<std::string, int64_t>& spare) {
    if (!a.work.movable || a.leaving || a.since + a.work.least_run > p_.now_) return false;
    if (c_.request.gpus > 0 && a.devices.empty()) return false;
    if (!a.claims.empty() && m_.sharers(a.uid).size() > 1) return false;  // they would have to move together
    if (std::ranges::any_of(a.devices, [](const Held& h) { return !h.profile.empty(); })) return false;
    const int64_t members = p_.staying(a.work.unit);
    int64_t& beyond = spare.try_emplace(a.work.unit, members == 1 ? 1 : members - a.work.least).first->second;
    if (beyond <= 0 || bound_to_others(a.uid)) return false;
    --beyond;
    return true;
  }

  // Pod affinity or spread refuses some node: not decided here.
  bool bound_to_others(std::string_view uid) {
    const auto found = m_.subjects_.find(uid);
    if (found == m_.subjects_.end()) return false;
    m_.affinity_.acquire(found->second.id);
    const bool bound = m_.affinity_.restricts(found->second.id);
    m_.affinity_.release(found->second.id);
    return bound;
  }

  Request request_of(const Allocation& a, int slot) const {
    Request r{.cpu_milli = a.cpu_milli, .memory_bytes = a.memory_bytes, .gpus = int64_t(a.devices.size())};
    if (!a.devices.empty()) {
      r.milli = a.devices.front().milli;
      r.models = ModelSet(1) << m_.nodes_[size_t(slot)].space.model;
    }
    if (const auto found = m_.subjects_.find(a.uid); found != m_.subjects_.end())
      r.where = m_.affinity_.subject(found->second.id).where;
    return r;
  }

  double lost(const Allocation& a) const {
    const double ran = std::chrono::duration<double>(p_.now_ - a.since + a.work.grace).count();
    return std::max<double>(0.1, double(a.devices.size())) * std::max(0.0, ran);
  }

  // Node by node, the cheapest per pod gained first. A node that cannot be cleared as far as it helps stays.
  bool within(int domain) {
    plan_ = {};
    tries_ = 0;
    std::vector<std::pair<double, int>> order;  // what moving all of it would lose per pod gained, slot
    for (const auto& [slot, seat] : seats_) {
      if (seat.domain != domain) continue;
      plan_.pods += seat.fits;
      double all = 0;
      for (const size_t i : seat.movers) all += movers_[i].lost;
      if (seat.emptied > seat.fits) order.emplace_back(all / double(seat.emptied - seat.fits), slot);
    }
    std::ranges::sort(order);
    std::set<int> clearing;  // room on these is not for movers
    for (const auto& [lost, slot] : order) {
      if (plan_.pods >= pods_ || tries_ >= kMostTries) break;
      Plan before = plan_;
      clearing.insert(slot);
      if (plan_.coming.contains(slot) || !clear(slot, domain, clearing)) {
        plan_ = std::move(before);
        clearing.erase(slot);
      }
    }
    return plan_.pods >= pods_ && plan_.moves.size() <= kMostMoves;
  }

  bool clear(int slot, int domain, const std::set<int>& clearing) {
    Seat seat = now(slot);
    const int64_t had = fit(seat), want = std::min(seat.emptied, had + pods_ - plan_.pods);
    const NodeState& node = m_.nodes_[size_t(slot)];
    std::vector<size_t> chosen = seat.movers;  // fewer where fewer do, the dearest stay
    for (size_t left = chosen.size(); left-- > 0;) {
      Seat without = seats_.at(slot);
      for (size_t i = 0; i < chosen.size(); ++i)
        if (i != left) release(without.space, node, *movers_[chosen[i]].pod);
      if (fit(without) >= want) chosen.erase(chosen.begin() + std::ptrdiff_t(left));
    }
    for (const size_t i : chosen) {
      if (plan_.moves.size() >= kMostMoves || !reseat(movers_[i], domain, clearing)) return false;
      plan_.moves.push_back(i);
      release(seat.space, node, *movers_[i].pod);
    }
    const int64_t gained = fit(seat) - had;
    plan_.pods += gained;
    plan_.changed.insert_or_assign(slot, std::move(seat));
    return gained > 0;
  }

  // The cheapest room elsewhere that the unit could not use.
  bool reseat(const Mover& mover, int domain, const std::set<int>& clearing) {
    ++tries_;
    Cost least = kNoCost;
    int best = -1;
    for (const auto& [name, slot] : m_.slots_) {
      ++m_.checks_;
      if (clearing.contains(slot) || p_.kept_.contains(slot) || !mover.request.eligible(m_, slot)) continue;
      const NodeState& node = m_.nodes_[size_t(slot)];
      const auto coming = plan_.coming.find(slot);
      const std::vector<Shape> none, &others = coming == plan_.coming.end() ? none : coming->second;
      const Shape shape = mover.request.shape(m_, slot);
      Space space = mover.request.space(m_, slot);
      if (!std::ranges::all_of(others, [&](const Shape& s) { return put(space, s); })) continue;
      if (node.used_pods + int64_t(others.size()) >= node.node.pods) continue;
      if (shape.gpus > 1 && (!others.empty() || node.islands.largest(node.free_boards()) < shape.gpus))
        continue;
      const Cost cost = m_.costs_.cost(space, shape, nullptr);
      if (cost < least && leaves_room(slot, domain, shape)) least = cost, best = slot;
    }
    if (best < 0) return false;
    const Shape shape = mover.request.shape(m_, best);
    plan_.coming[best].push_back(shape);
    if (!seats_.contains(best)) return true;
    Seat seat = now(best);
    (void)put(seat.space, shape);
    plan_.changed.insert_or_assign(best, std::move(seat));
    return true;
  }

  bool leaves_room(int slot, int domain, const Shape& shape) const {
    if (!seats_.contains(slot) || seats_.at(slot).domain != domain) return true;
    Seat seat = now(slot);
    const int64_t before = fit(seat);
    return put(seat.space, shape) && fit(seat) >= before;
  }

  void commit(int domain) {
    u_.moved = true;
    std::set<int> emptied;
    std::vector<Victim> victims;
    for (const size_t i : plan_.moves) {
      const Allocation& a = *movers_[i].pod;
      emptied.insert(m_.slots_.find(a.node)->second);
      victims.push_back({&a, Eviction::Why::Move, "moves to another node, so that larger work fits here"});
    }
    std::map<int, int64_t> rooms;
    for (const auto& [slot, seat] : seats_)
      if (seat.domain == domain) rooms[slot] = fit(now(slot));
    p_.evict(u_, victims, rooms, emptied, pods_);
  }

  Pass& p_;
  Model& m_;
  UnitState& u_;
  const Class& c_;
  int64_t pods_ = 1, group_ = 1;  // ranks; those that must share a node
  std::vector<int> domains_;      // by slot
  std::vector<Mover> movers_;
  std::map<int, Seat> seats_;  // by slot
  Plan plan_;
  size_t tries_ = 0;
};

bool Pass::may_have_moved(const UnitState& u) const {
  return m_.movable_ > 0 && !u.moved && !u.unit.work.movable;
}

bool Pass::move_others(UnitState& u) { return Moving(*this, u).find(); }

}  // namespace ingot::scheduler
