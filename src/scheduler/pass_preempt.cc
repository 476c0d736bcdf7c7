#include <algorithm>

#include "scheduler/pass.h"

namespace ingot::scheduler {
namespace {

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

// The running work that may give way to a unit, and the room that it would make. Units are taken and given back
// whole, but for what an elastic gang runs beyond its least.
class Pass::Clearing {
 public:
  Clearing(Pass& pass, UnitState& u) : p_(pass), m_(pass.m_), u_(u), c_(pass.largest(u)) {}

  // The cheapest evictions after which the unit fits; empty: there are none.
  bool find() {
    pods_ = u_.unit.least.value_or(int64_t(u_.unit.pods.size()));
    group_ = p_.group_on_node(u_);
    candidates();
    if (victims_.empty()) return false;
    const std::vector<int> domains = domains_of(m_.topology_, u_.unit.topology, m_.nodes_.size());
    std::map<int, int64_t> most;  // pods a domain would hold with every candidate gone
    for (const auto& [slot, seat] : seats_) most[domains[size_t(slot)]] += seat.emptied;
    bool found = false;
    Choice best;
    for (const auto& [domain, n] : most) {
      if (domain < 0 || n < pods_) continue;
      Choice choice = within(domain, domains);
      if (choice.pods >= pods_ && (!found || choice.price() < best.price())) {
        best = std::move(choice);
        found = true;
      }
    }
    if (found) commit(best);
    return found;
  }

 private:
  // What goes together.
  struct Victim {
    std::string unit;
    std::vector<const Allocation*> pods;
    Eviction::Why why = Eviction::Why::Reclaim;
    int64_t priority = 0;
    double lost = 0;  // GPU-seconds of work, and its grace
  };
  struct Seat {
    Space space;  // free now
    Shape shape;
    int64_t fits = 0, emptied = 0;  // pods now; with every candidate gone
    std::vector<size_t> victims;    // with a pod here
  };
  struct Choice {
    std::set<size_t> gone;
    int64_t pods = 0, priority = INT64_MIN;
    double lost = 0;
    int domain = 0;
    std::tuple<int64_t, double, size_t> price() const { return {priority, lost, gone.size()}; }
  };

  // What was taken back already and is on its way counts on both sides. `given`: by the victim's side, in this
  // search.
  bool reclaims(const std::string& leaf, const std::map<std::string, Amounts>& given) {
    const auto [mine, theirs] = m_.queues_.part(u_.leaf, leaf);
    auto known = sides_.find(mine + "/" + theirs);
    if (known == sides_.end()) {
      Side side{u_.asks, {}};
      for (const std::string& uid : m_.leaving_) {
        const Allocation& a = m_.allocations_.find(uid)->second;
        if (m_.queues_.part(u_.leaf, a.leaf).second == theirs) side.given += m_.amounts(a);
      }
      known = sides_.emplace(mine + "/" + theirs, std::move(side)).first;
    }
    Amounts gone = known->second.given;
    if (const auto more = given.find(theirs); more != given.end()) gone += more->second;
    return m_.queues_.may_reclaim(u_.leaf, known->second.more, leaf, gone);
  }

  std::optional<Eviction::Why> allowed(const Allocation& a, const std::map<std::string, Amounts>& given) {
    if (a.leaving || a.since + a.work.least_run > p_.now_) return std::nullopt;
    if (a.leaf == u_.leaf) {
      if (!a.work.preemptible) return std::nullopt;
      if (u_.unit.work.preempts && a.work.priority < u_.unit.priority + p_.policy_.plant_equal_preemption)
        return Eviction::Why::Priority;
      if (!p_.policy_.rank || a.work.priority != u_.unit.priority) return std::nullopt;
      if (u_.order.rank < p_.rank(a) * p_.policy_.rank_margin) return Eviction::Why::Order;
      return std::nullopt;
    }
    return reclaims(a.leaf, given) ? std::optional(Eviction::Why::Reclaim) : std::nullopt;
  }

  void candidates() {
    std::map<std::string, size_t> whole;   // unit → its victim
    std::map<std::string, int64_t> spare;  // of an elastic gang: pods beyond its least
    for (const auto& [name, slot] : m_.slots_) {
      ++m_.checks_;
      if (!c_.eligible(m_, slot) || p_.kept_from(u_, slot) || !p_.allowed(u_, 0, slot)) continue;
      Seat seat{c_.space(m_, slot), c_.shape(m_, slot)};
      seat.fits = p_.room_for(u_, c_, slot, (pods_ + group_ - 1) / group_ * group_);
      seat.fits -= seat.fits % group_;
      Space emptied = seat.space;
      for (const std::string& uid : m_.nodes_[size_t(slot)].pods) {
        const Allocation& a = m_.allocations_.find(uid)->second;
        if (!helps(a)) continue;
        const auto why = allowed(a, {});
        if (!why) continue;
        const std::set<std::string> bound = bound_to(a);
        if (!std::ranges::all_of(bound, [&](const std::string& other) {
              return allowed(m_.allocations_.find(other)->second, {}).has_value();
            }))
          continue;
        const size_t victim =
            bound.empty() ? victim_of(a, *why, whole, spare) : victim_of(a, *why, bound, whole);
        if (std::ranges::find(seat.victims, victim) == seat.victims.end()) seat.victims.push_back(victim);
        release(emptied, m_.nodes_[size_t(slot)], a);
      }
      seat.emptied = groups_that_fit(emptied, seat.shape, pods_, group_);
      if (seat.emptied > 0) seats_.emplace(slot, std::move(seat));
    }
  }

  // Evicting pods without GPUs makes no GPU free.
  bool helps(const Allocation& a) const { return c_.request.gpus == 0 || !a.devices.empty(); }

  // Pods that share a claim go together, and so do the units that they are of: else its devices would not come free.
  // Empty: nobody but its own unit. Those that leave already are left out.
  std::set<std::string> bound_to(const Allocation& a) const {
    std::set<std::string> all;
    if (!m_.shares()) return all;
    std::vector<std::string> next{a.uid};
    bool several = false;
    while (!next.empty()) {
      const std::string uid = std::move(next.back());
      next.pop_back();
      if (!all.insert(uid).second) continue;
      const Allocation& one = m_.allocations_.find(uid)->second;
      several |= one.work.unit != a.work.unit;
      for (const std::string& other : m_.held_by_.find(one.work.unit)->second) next.push_back(other);
      for (const std::string& other : m_.sharers(uid)) next.push_back(other);
    }
    if (!several) return {};
    std::erase_if(all, [&](const std::string& uid) { return m_.allocations_.find(uid)->second.leaving; });
    return all;
  }

  size_t victim_of(const Allocation& a, Eviction::Why why, const std::set<std::string>& bound,
                   std::map<std::string, size_t>& whole) {
    const auto [at, fresh] = whole.try_emplace("with " + *bound.begin(), victims_.size());
    if (!fresh) return at->second;
    Victim v{a.work.unit, {}, why, a.work.priority, 0};
    for (const std::string& uid : bound) {
      const Allocation& member = m_.allocations_.find(uid)->second;
      v.priority = std::max(v.priority, member.work.priority);
      v.pods.push_back(&member);
      v.lost += loss(member);
    }
    victims_.push_back(std::move(v));
    return at->second;
  }

  size_t victim_of(const Allocation& a, Eviction::Why why, std::map<std::string, size_t>& whole,
                   std::map<std::string, int64_t>& spare) {
    const std::set<std::string>& members = m_.held_by_.find(a.work.unit)->second;
    const auto beyond =
        spare.try_emplace(a.work.unit, std::max<int64_t>(0, p_.staying(a.work.unit) - a.work.least)).first;
    if (beyond->second > 0) {
      --beyond->second;
      victims_.push_back({a.work.unit, {&a}, why, a.work.priority, loss(a)});
      return victims_.size() - 1;
    }
    const auto [at, fresh] = whole.try_emplace(a.work.unit, victims_.size());
    if (fresh) {
      Victim v{a.work.unit, {}, why, a.work.priority, 0};
      for (const std::string& uid : members) {
        const Allocation& member = m_.allocations_.find(uid)->second;
        if (member.leaving) continue;
        v.pods.push_back(&member);
        v.lost += loss(member);
      }
      victims_.push_back(std::move(v));
    }
    return at->second;
  }

  double loss(const Allocation& a) const {
    const double weight = std::max<double>(0.1, double(m_.amounts(a).gpu_milli) / 1000);
    return weight * (std::max(0.0, seconds(p_.now_ - a.since)) + seconds(a.work.grace));
  }

  bool dearer(size_t a, size_t b) const {
    const Victim &x = victims_[a], &y = victims_[b];
    return std::tuple(x.priority, x.lost, x.unit) > std::tuple(y.priority, y.lost, y.unit);
  }

  // Node by node, the cheapest per pod gained first, until the unit fits; then whoever turns out not to be in
  // the way stays, the dearest first.
  Choice within(int domain, const std::vector<int>& domains) {
    Choice out{.domain = domain};
    std::vector<std::tuple<int64_t, double, int>> order;  // priority, loss per pod gained, slot
    std::map<int, Space> now;
    for (auto& [slot, seat] : seats_) {
      if (domains[size_t(slot)] != domain) continue;
      now.emplace(slot, seat.space);
      out.pods += seat.fits;
      if (seat.emptied <= seat.fits) continue;
      std::ranges::sort(seat.victims, [&](size_t a, size_t b) { return dearer(b, a); });
      // What its pods cost one by one: the cheapest victims that make room for as many as it could gain.
      const auto [priority, lost, gained] = price_of(slot, seat);
      order.emplace_back(priority, lost / double(gained), slot);
    }
    std::ranges::sort(order);
    std::map<std::string, Amounts> given;
    for (const auto& [priority, lost, slot] : order) {
      if (out.pods >= pods_) break;
      const Seat& seat = seats_.at(slot);
      const int64_t want = std::min(seat.emptied, fits_at(now, slot) + pods_ - out.pods);
      for (const size_t v : seat.victims) {
        if (fits_at(now, slot) >= want || out.pods >= pods_) break;
        if (!out.gone.contains(v) && still_allowed(v, given)) apply(v, +1, now, given, out);
      }
    }
    if (out.pods < pods_) return out;
    std::vector<size_t> back(out.gone.begin(), out.gone.end());
    std::ranges::sort(back, [&](size_t a, size_t b) { return dearer(a, b); });
    for (const size_t v : back) {
      apply(v, -1, now, given, out);
      if (out.pods < pods_) apply(v, +1, now, given, out);
    }
    for (const size_t v : out.gone) {
      out.priority = std::max(out.priority, victims_[v].priority);
      out.lost += victims_[v].lost;
    }
    return out;
  }

  std::tuple<int64_t, double, int64_t> price_of(int slot, const Seat& seat) const {
    Space space = seat.space;
    const int64_t want = pods_ == 1 ? 1 : seat.emptied;
    int64_t priority = INT64_MIN, fits = seat.fits;
    double lost = 0;
    for (const size_t v : seat.victims) {
      if (fits >= want) break;
      for (const Allocation* a : victims_[v].pods)
        if (a->node == m_.nodes_[size_t(slot)].node.name) release(space, m_.nodes_[size_t(slot)], *a);
      fits = groups_that_fit(space, seat.shape, want, group_);
      priority = std::max(priority, victims_[v].priority);
      lost += victims_[v].lost;
    }
    return {priority, lost, std::max<int64_t>(1, fits - seat.fits)};
  }

  int64_t fits_at(const std::map<int, Space>& now, int slot) const {
    return groups_that_fit(now.at(slot), seats_.at(slot).shape, pods_, group_);
  }

  bool still_allowed(size_t v, const std::map<std::string, Amounts>& given) {
    const Victim& victim = victims_[v];
    if (victim.why != Eviction::Why::Reclaim) return true;
    return reclaims(victim.pods.front()->leaf, given);
  }

  // Takes the victim (+1) or gives it back (-1).
  void apply(size_t v, int sign, std::map<int, Space>& now, std::map<std::string, Amounts>& given,
             Choice& out) {
    if (sign > 0)
      out.gone.insert(v);
    else
      out.gone.erase(v);
    for (const Allocation* a : victims_[v].pods) {
      Amounts& side = given[m_.queues_.part(u_.leaf, a->leaf).second];
      sign > 0 ? side += m_.amounts(*a) : side -= m_.amounts(*a);
      const int slot = m_.slots_.find(a->node)->second;
      const auto space = now.find(slot);
      if (space == now.end()) continue;
      out.pods -= fits_at(now, slot);
      if (sign > 0) {
        release(space->second, m_.nodes_[size_t(slot)], *a);
      } else {
        space->second = seats_.at(slot).space;
        for (const size_t other : out.gone)
          for (const Allocation* b : victims_[other].pods)
            if (b->node == a->node) release(space->second, m_.nodes_[size_t(slot)], *b);
      }
      out.pods += fits_at(now, slot);
    }
  }

  void commit(const Choice& choice) {
    std::map<int, Space> now;
    for (const auto& [slot, seat] : seats_) now.emplace(slot, seat.space);
    std::set<int> emptied;
    std::vector<Pass::Victim> victims;
    for (const size_t v : choice.gone)
      for (const Allocation* a : victims_[v].pods) {
        const int slot = m_.slots_.find(a->node)->second;
        if (const auto space = now.find(slot); space != now.end()) {
          release(space->second, m_.nodes_[size_t(slot)], *a);
          emptied.insert(slot);
        }
        victims.push_back({a, victims_[v].why, message(*a, victims_[v].why)});
      }
    const std::vector<int> domains = domains_of(m_.topology_, u_.unit.topology, m_.nodes_.size());
    std::map<int, int64_t> rooms;
    for (const auto& [slot, space] : now)
      if (domains[size_t(slot)] == choice.domain) rooms[slot] = fits_at(now, slot);
    p_.evict(u_, victims, rooms, emptied, pods_);
  }

  std::string message(const Allocation& a, Eviction::Why why) const {
    const auto title = [&](const std::string& leaf) { return m_.queues_.title(leaf); };
    switch (why) {
      case Eviction::Why::Reclaim:
        return title(m_.queues_.part(u_.leaf, a.leaf).first) + " takes back its guarantee, which " +
               title(m_.queues_.part(u_.leaf, a.leaf).second) + " had borrowed";
      case Eviction::Why::Priority:
        return "gives way to work of priority " + std::to_string(u_.unit.priority) + " in " + title(a.leaf) +
               "; its own is " + std::to_string(a.work.priority);
      case Eviction::Why::Order:
        return "gives way to work that the order of " + title(a.leaf) + " puts first";
      case Eviction::Why::Move:
        break;
    }
    return "";
  }

  Pass& p_;
  Model& m_;
  UnitState& u_;
  const Class& c_;
  int64_t pods_ = 1, group_ = 1;  // ranks; those that must share a node
  struct Side {
    Amounts more, given;
  };
  std::map<std::string, Side> sides_;
  std::vector<Victim> victims_;
  std::map<int, Seat> seats_;  // by slot
};

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
    if (Clearing(*this, u).find()) return;
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
