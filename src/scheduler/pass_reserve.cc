#include <algorithm>

#include "scheduler/pass.h"
#include "scheduler/spare.h"

namespace ingot::scheduler {

WallTime later(WallTime t, Duration d) { return std::chrono::time_point_cast<WallTime::duration>(t + d); }

namespace {

void release(Space& space, int board, const Held& h) {
  if (h.profile.empty()) {
    int16_t& free = space.free_milli[size_t(board)];
    if (int16_t& foreign = space.foreign[size_t(board)]; foreign > 0) {
      foreign = int16_t(std::max(0, foreign - h.milli));
      if (foreign > 0) return;
      free = 1000;
    }
    free = int16_t(std::min(1000, free + h.milli));
    if (free == 1000) space.cuts[size_t(board)] = {};
  } else if (const SliceKind kind = slice_kind(space.geometries[size_t(board)], h.profile)) {
    release_slice(space, board, kind, h.start, h.milli);
  }
}

}  // namespace

void release(Space& space, const NodeState& node, const Allocation& a) {
  space.cpu_milli += a.cpu_milli;
  space.memory_mib += mib_needed(a.memory_bytes);
  for (const Held& h : a.devices)
    for (size_t i = 0; i < size_t(space.gpus); ++i)
      if (node.node.devices[i].uuid == h.uuid && node.node.devices[i].healthy) release(space, int(i), h);
}

bool put(Space& space, const Shape& shape) {
  if (!fits(space, shape)) return false;
  int gpu = -1;
  for (int i = 0; i < space.gpus && shape.share() && !shape.slice; ++i) {
    const int16_t free = space.free_milli[size_t(i)];
    if (free >= shape.milli && (gpu < 0 || free < space.free_milli[size_t(gpu)])) gpu = i;
  }
  space = after(space, shape, gpu);
  return true;
}

int64_t pods_that_fit(Space space, const Shape& shape, int64_t most) {
  if (!fits(space, shape)) return 0;
  int64_t n = 0;
  if (shape.layout || shape.slice) {
    while (n < most && put(space, shape)) ++n;
    return n;
  }
  // Pods of one shape take of a board what is its own: no order of theirs makes more of it.
  if (shape.gpus == 0) n = most;
  for (int g = 0; g < space.gpus && shape.gpus > 0; ++g)
    n += space.free_milli[size_t(g)] / std::max(1, shape.milli);
  if (shape.gpus > 1) n /= shape.gpus;
  if (shape.cpu_milli > 0) n = std::min(n, space.cpu_milli / shape.cpu_milli);
  if (shape.memory_mib > 0) n = std::min(n, space.memory_mib / shape.memory_mib);
  return std::max<int64_t>(0, std::min(n, most));
}

int64_t groups_that_fit(const Space& space, const Shape& shape, int64_t most, int64_t group) {
  const int64_t n = pods_that_fit(space, shape, (most + group - 1) / group * group);
  return n - n % group;
}

// By slot: the domain of the level that the gang requires, -1 where there is none; all one without such a level.
std::vector<int> domains_of(const TopologyTree& tree, const TopologyAsk& ask, size_t slots) {
  if (ask.mode != TopologyAsk::Mode::Required || ask.level > tree.host()) return std::vector<int>(slots, 0);
  std::vector<int> out(slots, -1);
  const auto& runs = tree.runs(ask.level + 1);
  for (size_t r = 0; r < runs.size(); ++r)
    for (int i = runs[r].begin; i < runs[r].end && runs[r].named; ++i)
      out[size_t(tree.order()[size_t(i)])] = int(r);
  return out;
}

namespace {

struct Release {
  WallTime at;
  int64_t unknown_gpus;  // of its node: those with fewer come first
  int slot;
  const Allocation* allocation;
  bool operator<(const Release& o) const {
    return std::tie(at, unknown_gpus, slot, allocation->uid) <
           std::tie(o.at, o.unknown_gpus, o.slot, o.allocation->uid);
  }
};

}  // namespace

int32_t Pass::room_for(const UnitState& u, const Class& c, int slot, int64_t most) const {
  const NodeState& state = m_.nodes_[size_t(slot)];
  const Shape shape = c.shape(m_, slot);
  most = pods_that_fit(open_to(u, c, slot), shape, std::min(most, state.node.pods - state.used_pods));
  if (const Kept* kept = kept_from(u, slot)) most = pods_that_fit(kept->spare, shape, most);
  return int32_t(most);
}

void Pass::wake(WallTime at) {
  if (at > now_ && (!out_.revisit || at < *out_.revisit)) out_.revisit = at;
}

// When an allocation is expected to be gone; none: nobody knows, or its deadline is over.
std::optional<WallTime> Pass::ends(const Allocation& a) const {
  if (a.claims.empty()) return ends_itself(a);
  std::optional<WallTime> last = now_;  // with the last who has its devices, too
  for (const std::string& uid : m_.sharers(a.uid)) {
    const auto end = ends_itself(m_.allocations_.find(uid)->second);
    last = end && last ? std::optional(std::max(*end, *last)) : std::nullopt;
  }
  return last;
}

std::optional<WallTime> Pass::ends_itself(const Allocation& a) const {
  if (a.leaving) return later(now_, a.work.grace);
  std::optional<WallTime> end;
  if (a.work.run_time) {
    end = later(a.since, *a.work.run_time - a.work.attained);
    if (*end <= now_) return std::nullopt;
  }
  if (const auto learnt = m_.past_runs_.expected(a.tenant, a.work.origin))
    if (const auto by = expected_end(a.since, a.work.attained, *learnt, now_))
      end = std::min(end.value_or(*by), *by);
  return end;
}

// --- what is kept ---

void Pass::settle_reservations() {
  for (auto at = m_.reservations_.begin(); at != m_.reservations_.end();) {
    Reservation& r = at->second;
    const auto unit = m_.units_.find(r.unit);
    const bool known = unit != m_.units_.end();
    r.starts = known ? starts(r, unit->second) : std::nullopt;
    if (!r.promised) r.promised = r.starts;
    const bool over = gives_up(r) <= now_ && !r.starts;
    if (known && over) unit->second.rests_until = later(now_, policy_.patience);
    if (known && !over && holds(r, unit->second)) {
      keep(r, unit->second);
      ++at;
    } else {
      const std::string gone = (at++)->first;
      m_.drop_reservation(gone);
    }
  }
}

// Were its start not known then.
WallTime Pass::gives_up(const Reservation& r) const {
  return later(std::max(r.since, r.promised.value_or(r.since)), policy_.hold);
}

// Whether no estimate lets others in: there is none, or those it was promised by have proved too short.
bool Pass::closed(const Reservation& r) const {
  if (!r.starts) return true;
  return !r.evicting && r.promised && *r.starts > std::max(*r.promised, now_);
}

// The kind of pod that its nodes are kept for: the largest, where a gang has several.
const Class& Pass::largest(const UnitState& u) const {
  return **std::ranges::max_element(u.classes, [](const Class* a, const Class* b) {
    const auto size = [](const Class& c) {
      return std::tuple(c.request.gpus * c.request.milli, c.request.cpu_milli, c.request.memory_bytes);
    };
    return size(*a) < size(*b);
  });
}

int64_t Pass::group_on_node(const UnitState& u) const {
  const TopologyAsk& ask = u.unit.topology;
  if (ask.mode == TopologyAsk::Mode::Required && ask.level == m_.topology_.island())
    return u.unit.least.value_or(int64_t(u.unit.pods.size()));
  return ask.group > 1 && ask.group_level >= m_.topology_.host() ? ask.group : 1;
}

bool Pass::holds(const Reservation& r, const UnitState& u) const {
  const Class& c = largest(u);
  return std::ranges::all_of(r.pods, [&](const auto& kept) {
    const auto slot = m_.slots_.find(kept.first);
    return slot != m_.slots_.end() && c.eligible(m_, slot->second) && !kept_.contains(slot->second);
  });
}

// The free space of a node once everything that ends by then has ended.
Space Pass::projected(const Class& c, int slot, WallTime by) const {
  const NodeState& node = m_.nodes_[size_t(slot)];
  Space space = c.space(m_, slot);
  for (const std::string& uid : node.pods) {
    const Allocation& a = m_.allocations_.find(uid)->second;
    if (const auto end = ends(a); end && *end <= by) release(space, node, a);
  }
  return space;
}

// When all of its nodes have room, as far as run times tell.
std::optional<WallTime> Pass::starts(const Reservation& r, const UnitState& u) const {
  const Class& c = largest(u);
  WallTime latest = now_;
  for (const auto& [name, pods] : r.pods) {
    const auto at = m_.slots_.find(name);
    if (at == m_.slots_.end()) return std::nullopt;
    std::set<WallTime> times{now_};
    for (const std::string& uid : m_.nodes_[size_t(at->second)].pods)
      if (const auto end = ends(m_.allocations_.find(uid)->second)) times.insert(*end);
    const Shape shape = c.shape(m_, at->second);
    const auto first = std::ranges::find_if(times, [&, pods = pods](WallTime t) {
      return pods_that_fit(projected(c, at->second, t), shape, pods) == pods;
    });
    if (first == times.end()) return std::nullopt;
    latest = std::max(latest, *first);
  }
  return latest;
}

void Pass::keep(const Reservation& r, const UnitState& u) {
  const Class& c = largest(u);
  for (const auto& [name, pods] : r.pods) {
    const int slot = m_.slots_.find(name)->second;
    const NodeState& node = m_.nodes_[size_t(slot)];
    const bool alone = closed(r);
    Kept kept{&r, alone ? c.space(m_, slot) : projected(c, slot, *r.starts)};
    if (alone) {
      // Its room comes as GPUs come free, whenever that is: nobody else gets any, and of CPU and memory what
      // the owner will not need.
      for (const std::string& uid : node.pods) {
        const Allocation& a = m_.allocations_.find(uid)->second;
        if (!a.devices.empty()) release(kept.spare, node, a);
      }
    }
    const Shape shape = c.shape(m_, slot);
    const auto before = kept.spare.free_milli;
    for (int64_t i = 0; i < pods; ++i)
      if (!put(kept.spare, shape)) kept.spare = {};
    for (size_t g = 0; g < before.size() && c.request.share() && !Class::mixes(m_, slot); ++g)
      if (kept.spare.free_milli[g] != before[g]) kept.apart = gpu::BoardMask(kept.apart | 1u << g);
    if (alone) {
      kept.spare.free_milli = {};
      kept.spare.cuts.fill(kNoCut);
      kept.spare.shared.clear();
    }
    kept_.emplace(slot, kept);
  }
}

const Pass::Kept* Pass::kept_from(const UnitState& u, int slot) const {
  const auto kept = kept_.find(slot);
  if (kept == kept_.end() || kept->second.by->unit == u.unit.id || ends_before(u, *kept->second.by))
    return nullptr;
  return &kept->second;
}

// Whole GPUs are alike: of them it may take any, as long as so many are spare.
Space Pass::open_to(const UnitState& u, const Class& c, int slot) const {
  const Kept* kept = kept_from(u, slot);
  const bool whole = !c.request.share() && c.request.profile.empty() && c.request.parts.empty();
  if (!kept || whole) return c.space(m_, slot);
  Space open = both(c.space(m_, slot), kept->spare);
  const bool same = kept->apart == 0 || m_.units_.find(kept->by->unit)->second.unit.tenant == u.unit.tenant;
  for (size_t g = 0; g < open.free_milli.size() && !same; ++g)
    if (kept->apart >> g & 1) open.free_milli[g] = 0;
  return open;
}

bool Pass::admits(const UnitState& u, const Class& c, int slot) const {
  const Kept* kept = kept_from(u, slot);
  if (!kept) return true;
  const Shape shape = c.shape(m_, slot);
  return fits(kept->spare, shape) && fits(open_to(u, c, slot), shape);
}

bool Pass::ends_before(const UnitState& u, const Reservation& r) const {
  if (closed(r)) return false;
  const Work& work = u.unit.work;
  auto time = m_.past_runs_.expected(u.unit.tenant, work.origin);
  if (work.run_time) time = std::min(time.value_or(*work.run_time), *work.run_time);
  return time && later(now_, *time - work.attained) <= *r.starts;
}

void Pass::spend(const UnitState& u, const Class& c, int slot, std::span<const Held> given) {
  if (kept_from(u, slot))
    charge(kept_.find(slot)->second.spare, m_.nodes_[size_t(slot)], c.shape(m_, slot), given);
}

// --- what is to be kept ---

void Pass::reserve() {
  for (const auto& [id, r] : m_.reservations_) wake(r.starts && *r.starts > now_ ? *r.starts : gives_up(r));
  if (policy_.max_reservations == 0) return;
  std::set<std::string> served;  // leaves whose first blocked unit was looked at
  for (UnitState* waiting : waiting_) {
    UnitState& u = *waiting;
    const std::string& id = u.unit.id;
    if (served.contains(u.leaf) || !lacks_room(u) || entangled(u)) continue;
    served.insert(u.leaf);
    if (m_.reservations_.contains(id)) continue;
    const WallTime due = std::max(later(u.unit.created, policy_.patience), u.rests_until);
    wake(due);
    if (due > now_) continue;
    auto room = m_.reservations_.size() < policy_.max_reservations ? earliest_room(u) : std::nullopt;
    if (!room) room = room_of_younger(u);
    if (!room) continue;
    wake(room->starts.value_or(later(now_, policy_.hold)));
    m_.set_reservation(std::move(*room));
    keep(m_.reservations_.find(id)->second, u);
  }
}

// What is reserved for units that came later is an older one's, where it needs it.
std::optional<Reservation> Pass::room_of_younger(const UnitState& u) {
  std::set<std::string> younger;
  for (const auto& [id, r] : m_.reservations_)
    if (!r.evicting && state(id).unit.created > u.unit.created) younger.insert(id);
  if (younger.empty()) return std::nullopt;
  const std::map<int, Kept> before = kept_;
  std::erase_if(kept_, [&](const auto& k) { return younger.contains(k.second.by->unit); });
  auto room = earliest_room(u);
  if (!room)
    kept_ = before;
  else
    for (const std::string& id : younger) m_.drop_reservation(id);
  return room;
}

bool Pass::lacks_room(UnitState& u) {
  if (u.classes.size() > 1) return u.lacks_room;
  Class& c = *u.classes.front();
  if (u.reason) return false;
  if (!c.reason && may_explain()) explain_class(c);
  return c.reason && c.lacks_room;
}

// The nodes on which the unit fits first as running work ends: what ends at a known time in that order, then,
// node by node, what ends nobody knows when.
std::optional<Reservation> Pass::earliest_room(const UnitState& u) {
  const Class& c = largest(u);
  const int64_t pods = u.unit.least.value_or(int64_t(u.unit.pods.size())), group = group_on_node(u);
  struct Seat {
    Space space;
    Shape shape;
    int64_t fits = 0;
    int domain = 0;
  };
  std::map<int, Seat> seats;       // by slot
  std::map<int, int64_t> domains;  // pods that fit
  std::vector<Release> releases;
  const std::vector<int> domain_of = domains_of(m_.topology_, u.unit.topology, m_.nodes_.size());
  for (const auto& [name, slot] : m_.slots_) {
    ++m_.checks_;
    if (!c.eligible(m_, slot) || kept_.contains(slot) || !allowed(u, 0, slot)) continue;
    const int domain = domain_of[size_t(slot)];
    if (domain < 0) continue;
    const NodeState& node = m_.nodes_[size_t(slot)];
    Seat seat{c.space(m_, slot), c.shape(m_, slot), 0, domain};
    domains[domain] += seat.fits = groups_that_fit(seat.space, seat.shape, pods, group);
    seats.emplace(slot, seat);
    int64_t unknown = 0;
    const size_t first = releases.size();
    for (const std::string& uid : node.pods) {
      const Allocation& a = m_.allocations_.find(uid)->second;
      const auto end = ends(a);
      if (!end) unknown += int64_t(a.devices.size());
      releases.push_back({end.value_or(WallTime::max()), 0, slot, &a});
    }
    for (size_t i = first; i < releases.size(); ++i) releases[i].unknown_gpus = unknown;
  }
  std::sort(releases.begin(), releases.end());
  int chosen = -1;
  WallTime at = now_;
  std::string last;
  for (const auto& [domain, n] : domains)
    if (n >= pods && chosen < 0) chosen = domain;
  for (const Release& r : releases) {
    if (chosen >= 0) break;
    Seat& seat = seats.at(r.slot);
    release(seat.space, m_.nodes_[size_t(r.slot)], *r.allocation);
    int64_t& total = domains[seat.domain];
    total -= seat.fits;
    total += seat.fits = groups_that_fit(seat.space, seat.shape, pods, group);
    at = r.at;
    last = r.allocation->uid;
    if (total >= pods) chosen = seat.domain;
  }
  if (chosen < 0) return std::nullopt;
  Reservation out{.unit = u.unit.id, .since = now_};
  if (at != WallTime::max()) {
    out.starts = out.promised = at;
    out.after = std::move(last);
  }
  std::vector<std::pair<int64_t, std::string>> best;  // pods, most first, then by name
  for (const auto& [slot, seat] : seats)
    if (seat.domain == chosen && seat.fits > 0)
      best.emplace_back(-seat.fits, m_.nodes_[size_t(slot)].node.name);
  std::ranges::sort(best);
  int64_t left = pods;
  for (const auto& [fits, name] : best) {
    if (left == 0) break;
    out.pods[name] = std::min(left, -fits);
    left -= out.pods[name];
  }
  return out;
}

}  // namespace ingot::scheduler
