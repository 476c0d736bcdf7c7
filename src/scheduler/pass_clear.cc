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
    std::map<int, int64_t> most;  // pods a domain would hold with every candidate gone
    for (const Seat& seat : seats_) most[seat.domain] += seat.emptied;
    bool found = false;
    Choice best;
    for (const auto& [domain, n] : most) {
      if (domain < 0 || n < pods_) continue;
      Choice choice = within(domain);
      if (choice.pods >= pods_ && (!found || choice.price() < best.price())) {
        best = std::move(choice);
        found = true;
      }
    }
    if (found) commit(best);
    return found;
  }

 private:
  // A pod of a victim: what of it counts here.
  struct Member {
    const Allocation* pod;
    int64_t gpu_milli = 0;
    size_t side = 0;
    int seat = -1;  // none: its node is not looked at
  };
  // What goes together.
  struct Victim {
    std::string unit;
    std::vector<Member> pods;
    Eviction::Why why = Eviction::Why::Reclaim;
    int64_t priority = 0;
    double lost = 0;  // GPU-seconds of work, and its grace
  };
  struct Seat {
    int slot;
    Space space;  // free now
    Shape shape;
    int64_t fits = 0, emptied = 0;  // pods now; with every candidate gone
    int domain = -1;
    std::vector<size_t> victims;                           // with a pod here that may go
    std::vector<std::pair<size_t, const Member*>> guests;  // all pods here of victims, in their order
  };
  struct Choice {
    std::vector<bool> gone;  // by victim
    size_t victims = 0;
    int64_t pods = 0, priority = INT64_MIN;
    double lost = 0;
    int domain = 0;
    std::tuple<int64_t, double, size_t> price() const { return {priority, lost, victims}; }
  };
  // What is free of a seat once those of a choice are gone.
  struct Now {
    Space space;
    int64_t fits = 0;
  };
  // Where the victims of a choice are: what of the search it changes.
  struct State {
    std::vector<Now> now;        // by seat
    std::vector<int64_t> given;  // GPU-milli by the victims' sides
  };
  // Leaves that part from the unit's at the same queue.
  struct Side {
    std::string queue;
    std::optional<int64_t> lent;  // GPU-milli that may come back; none: nothing may be taken
  };

  // What was taken back already and is on its way counts as given.
  size_t side_of(const std::string& leaf) {
    const auto [known, fresh] = side_by_leaf_.try_emplace(leaf, 0);
    if (!fresh) return known->second;
    const auto [mine, theirs] = m_.queues_.part(u_.leaf, leaf);
    for (size_t i = 0; i < sides_.size(); ++i)
      if (sides_[i].queue == theirs) return known->second = i;
    Side side{theirs, m_.queues_.lent(u_.leaf, u_.asks, leaf)};
    for (const std::string& uid : m_.leaving_) {
      const Allocation& a = m_.allocations_.find(uid)->second;
      if (side.lent && m_.queues_.part(u_.leaf, a.leaf).second == theirs) *side.lent -= gpu_milli(a);
    }
    sides_.push_back(std::move(side));
    return known->second = sides_.size() - 1;
  }

  std::optional<Eviction::Why> allowed(const Allocation& a) {
    if (a.leaving || a.since + a.work.least_run > p_.now_) return std::nullopt;
    if (a.leaf == u_.leaf) {
      if (!a.work.preemptible) return std::nullopt;
      if (u_.unit.work.preempts && a.work.priority < u_.unit.priority + p_.policy_.plant_equal_preemption)
        return Eviction::Why::Priority;
      if (!p_.policy_.rank || a.work.priority != u_.unit.priority) return std::nullopt;
      if (u_.order.rank < p_.rank(a) * p_.policy_.rank_margin) return Eviction::Why::Order;
      return std::nullopt;
    }
    return sides_[side_of(a.leaf)].lent.value_or(0) > 0 ? std::optional(Eviction::Why::Reclaim)
                                                        : std::nullopt;
  }

  void candidates() {
    HashMap<size_t> whole;   // unit → its victim
    HashMap<int64_t> spare;  // of an elastic gang: pods beyond its least
    for (const auto& [name, slot] : m_.slots_) {
      ++m_.checks_;
      if (!c_.eligible(m_, slot) || p_.kept_from(u_, slot) || !p_.allowed(u_, 0, slot)) continue;
      Seat seat{slot, c_.space(m_, slot), c_.shape(m_, slot)};
      seat.fits = p_.room_for(u_, c_, slot, (pods_ + group_ - 1) / group_ * group_);
      seat.fits -= seat.fits % group_;
      Space emptied = seat.space;
      for (const std::string& uid : m_.nodes_[size_t(slot)].pods) {
        const Allocation& a = m_.allocations_.find(uid)->second;
        if (!helps(a)) continue;
        const auto why = allowed(a);
        if (!why) continue;
        const std::set<std::string> bound = bound_to(a);
        if (!std::ranges::all_of(bound, [&](const std::string& other) {
              return allowed(m_.allocations_.find(other)->second).has_value();
            }))
          continue;
        const size_t victim =
            bound.empty() ? victim_of(a, *why, whole, spare) : victim_of(a, *why, bound, whole);
        if (std::ranges::find(seat.victims, victim) == seat.victims.end()) seat.victims.push_back(victim);
        release(emptied, m_.nodes_[size_t(slot)], a);
      }
      seat.emptied = groups_that_fit(emptied, seat.shape, pods_, group_);
      if (seat.emptied > 0) seats_.push_back(std::move(seat));
    }
    seat();
  }

  // Everybody finds a seat: pods their own, seats theirs.
  void seat() {
    std::ranges::sort(seats_, {}, &Seat::slot);
    const std::vector<int> domains = domains_of(m_.topology_, u_.unit.topology, m_.nodes_.size());
    std::vector<int> by_slot(m_.nodes_.size(), -1);
    for (size_t i = 0; i < seats_.size(); ++i) {
      by_slot[size_t(seats_[i].slot)] = int(i);
      seats_[i].domain = domains[size_t(seats_[i].slot)];
    }
    for (size_t v = 0; v < victims_.size(); ++v)
      for (Member& member : victims_[v].pods) {
        member.seat = by_slot[size_t(m_.slots_.find(member.pod->node)->second)];
        if (member.seat >= 0) seats_[size_t(member.seat)].guests.emplace_back(v, &member);
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
                   HashMap<size_t>& whole) {
    const auto [at, fresh] = whole.try_emplace("with " + *bound.begin(), victims_.size());
    if (!fresh) return at->second;
    Victim v{a.work.unit, {}, why, a.work.priority, 0};
    for (const std::string& uid : bound) {
      const Allocation& member = m_.allocations_.find(uid)->second;
      v.priority = std::max(v.priority, member.work.priority);
      add(v, member);
    }
    victims_.push_back(std::move(v));
    return at->second;
  }

  size_t victim_of(const Allocation& a, Eviction::Why why, HashMap<size_t>& whole, HashMap<int64_t>& spare) {
    auto beyond = spare.find(a.work.unit);
    if (beyond == spare.end())
      beyond = spare.emplace(a.work.unit, std::max<int64_t>(0, p_.staying(a.work.unit) - a.work.least)).first;
    Victim v{a.work.unit, {}, why, a.work.priority, 0};
    if (beyond->second > 0) {
      --beyond->second;
      add(v, a);
    } else {
      const auto [at, fresh] = whole.try_emplace(a.work.unit, victims_.size());
      if (!fresh) return at->second;
      for (const std::string& uid : m_.held_by_.find(a.work.unit)->second)
        if (const Allocation& member = m_.allocations_.find(uid)->second; !member.leaving) add(v, member);
    }
    victims_.push_back(std::move(v));
    return victims_.size() - 1;
  }

  void add(Victim& v, const Allocation& a) {
    v.pods.push_back({&a, gpu_milli(a), side_of(a.leaf)});
    const double weight = std::max<double>(0.1, double(v.pods.back().gpu_milli) / 1000);
    v.lost += weight * (std::max(0.0, seconds(p_.now_ - a.since)) + seconds(a.work.grace));
  }

  static int64_t gpu_milli(const Allocation& a) {
    int64_t sum = 0;
    for (const Held& h : a.devices) sum += gpu::board_milli(h.model, h.profile, h.milli);
    return sum;
  }

  bool dearer(size_t a, size_t b) const {
    const Victim &x = victims_[a], &y = victims_[b];
    return std::tie(x.priority, x.lost, x.unit) > std::tie(y.priority, y.lost, y.unit);
  }

  // Node by node, the cheapest per pod gained first, until the unit fits; then whoever turns out not to be in
  // the way stays, the dearest first.
  Choice within(int domain) {
    Choice out{.gone = std::vector<bool>(victims_.size()), .domain = domain};
    State state{std::vector<Now>(seats_.size()), std::vector<int64_t>(sides_.size())};
    std::vector<std::tuple<int64_t, double, size_t>> order;  // priority, loss per pod gained, seat
    for (size_t i = 0; i < seats_.size(); ++i) {
      Seat& seat = seats_[i];
      if (seat.domain != domain) continue;
      state.now[i] = {seat.space, fit(seat.space, seat)};
      out.pods += seat.fits;
      if (seat.emptied <= seat.fits) continue;
      std::ranges::sort(seat.victims, [&](size_t a, size_t b) { return dearer(b, a); });
      // What its pods cost one by one: the cheapest victims that make room for as many as it could gain.
      const auto [priority, lost, gained] = price_of(i);
      order.emplace_back(priority, lost / double(gained), i);
    }
    std::ranges::sort(order);
    for (const auto& [priority, lost, i] : order) {
      if (out.pods >= pods_) break;
      const Seat& seat = seats_[i];
      const Now& now = state.now[i];
      const int64_t want = std::min(seat.emptied, now.fits + pods_ - out.pods);
      for (const size_t v : seat.victims) {
        if (now.fits >= want || out.pods >= pods_) break;
        if (!out.gone[v] && still_allowed(v, state)) apply(v, +1, state, out);
      }
    }
    if (out.pods < pods_) return out;
    std::vector<size_t> back;
    for (size_t v = 0; v < victims_.size(); ++v)
      if (out.gone[v]) back.push_back(v);
    std::ranges::sort(back, [&](size_t a, size_t b) { return dearer(a, b); });
    for (const size_t v : back) {
      apply(v, -1, state, out);
      if (out.pods < pods_) apply(v, +1, state, out);
    }
    for (size_t v = 0; v < victims_.size(); ++v) {
      if (!out.gone[v]) continue;
      out.priority = std::max(out.priority, victims_[v].priority);
      out.lost += victims_[v].lost;
    }
    return out;
  }

  std::tuple<int64_t, double, int64_t> price_of(size_t at) const {
    const Seat& seat = seats_[at];
    Space space = seat.space;
    const int64_t want = pods_ == 1 ? 1 : seat.emptied;
    int64_t priority = INT64_MIN, fits = seat.fits;
    double lost = 0;
    for (const size_t v : seat.victims) {
      if (fits >= want) break;
      for (const Member& member : victims_[v].pods)
        if (member.seat == int(at)) leave(space, member);
      fits = groups_that_fit(space, seat.shape, want, group_);
      priority = std::max(priority, victims_[v].priority);
      lost += victims_[v].lost;
    }
    return {priority, lost, std::max<int64_t>(1, fits - seat.fits)};
  }

  int64_t fit(const Space& space, const Seat& seat) const {
    return groups_that_fit(space, seat.shape, pods_, group_);
  }

  void leave(Space& space, const Member& member) const {
    release(space, m_.nodes_[size_t(seats_[size_t(member.seat)].slot)], *member.pod);
  }

  bool still_allowed(size_t v, const State& state) const {
    const Victim& victim = victims_[v];
    if (victim.why != Eviction::Why::Reclaim) return true;
    const size_t side = victim.pods.front().side;
    return sides_[side].lent.value_or(0) > state.given[side];
  }

  // Takes the victim (+1) or gives it back (-1).
  void apply(size_t v, int sign, State& state, Choice& out) const {
    out.gone[v] = sign > 0;
    sign > 0 ? ++out.victims : --out.victims;
    for (const Member& member : victims_[v].pods) {
      state.given[member.side] += sign * member.gpu_milli;
      if (member.seat < 0) continue;
      const Seat& seat = seats_[size_t(member.seat)];
      if (seat.domain != out.domain) continue;
      Now& now = state.now[size_t(member.seat)];
      out.pods -= now.fits;
      if (sign > 0) {
        leave(now.space, member);
      } else {
        now.space = seat.space;
        for (const auto& [other, guest] : seat.guests)
          if (out.gone[other]) leave(now.space, *guest);
      }
      out.pods += now.fits = fit(now.space, seat);
    }
  }

  void commit(const Choice& choice) {
    std::set<int> emptied;
    std::vector<Pass::Victim> victims;
    std::vector<Space> now;
    for (const Seat& seat : seats_) now.push_back(seat.space);
    for (size_t v = 0; v < victims_.size(); ++v) {
      if (!choice.gone[v]) continue;
      for (const Member& member : victims_[v].pods) {
        if (member.seat >= 0) {
          leave(now[size_t(member.seat)], member);
          emptied.insert(seats_[size_t(member.seat)].slot);
        }
        victims.push_back({member.pod, victims_[v].why, message(*member.pod, victims_[v].why)});
      }
    }
    std::map<int, int64_t> rooms;
    for (size_t i = 0; i < seats_.size(); ++i)
      if (seats_[i].domain == choice.domain) rooms[seats_[i].slot] = fit(now[i], seats_[i]);
    p_.evict(u_, victims, rooms, emptied, pods_);
  }

  std::string message(const Allocation& a, Eviction::Why why) const {
    const auto title = [&](const std::string& leaf) { return m_.queues_.title(leaf); };
    switch (why) {
      case Eviction::Why::Reclaim:
        return title(m_.queues_.part(u_.leaf, a.leaf).first) + " takes back its guarantee, which " +
               title(m_.queues_.part(u_.leaf, a.leaf).second) + " had borrowed";
      case Eviction::Why::Priority:
        return "gives way to work of priority " + std::to_string(normal_priority(u_.unit.priority)) + " in " +
               title(a.leaf) + "; its own is " + std::to_string(normal_priority(a.work.priority)) +
               (is_lowered(a.work.priority) ? ", lowered by a budget" : "");
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
  std::vector<Side> sides_;
  HashMap<size_t> side_by_leaf_;
  std::vector<Victim> victims_;
  std::vector<Seat> seats_;  // by slot
};

bool Pass::clear(UnitState& u) { return Clearing(*this, u).find(); }

}  // namespace ingot::scheduler
