#include <algorithm>

#include "base/assert.h"
#include "base/quantity.h"
#include "scheduler/pass.h"

namespace ingot::scheduler {

// Ranks move with time.
void Pass::rank_units() {
  if (!policy_.rank) return;
  for (auto& [id, u] : m_.units_) {
    const double rank = policy_.rank(u.unit.work, u.asks.gpu_milli / 1000, {},
                                     std::max(Duration{}, Duration(now_ - u.unit.created)));
    if (rank == u.order.rank) continue;
    m_.take_out(u);
    u.order.rank = rank;
    m_.sort_in(u);
  }
}

void Pass::place() {
  m_.queues_.start_pass();
  std::map<std::string, Model::Line::const_iterator> next;  // per leaf: where its line stands
  while (const std::string* leaf = m_.queues_.first()) {
    if (placed_ >= policy_.max_units || work() >= policy_.max_checks) {
      out_.more = true;
      return;
    }
    const std::string name = *leaf;
    const Model::Line& line = m_.lines_.find(name)->second;
    const auto at = next.try_emplace(name, line.begin()).first;
    UnitState& unit = *at->second->unit;
    const auto following = std::next(at->second);
    const bool last = following == line.end();
    if (last) m_.queues_.skip(name);
    at->second = following;
    if (!try_unit(unit)) {
      waiting_.push_back(&unit);
      if (policy_.strict && !last) m_.queues_.skip(name);
      continue;
    }
    ++placed_;
    // What is left of an elastic gang has just been tried.
    if (const auto rest = m_.units_.find(out_.bindings.back().unit); rest != m_.units_.end()) {
      if (auto refusal = refused(rest->second, {}))
        rest->second.reason = std::make_shared<const std::string>(std::move(*refusal));
      waiting_.push_back(&rest->second);
      if (last) m_.queues_.skip(name);  // its line may be a new one
    }
  }
}

bool Pass::try_unit(UnitState& u) {
  const auto reserved = m_.reservations_.find(u.unit.id);
  const Amounts claimed = reserved == m_.reservations_.end() ? Amounts{} : reserved->second.claimed;
  auto refusal = refused(u, claimed);
  if (refusal) {
    u.reason = std::make_shared<const std::string>(std::move(*refusal));
    return try_others(u, claimed);
  }
  if (u.failed_gain == m_.gains_ && u.classes.size() > 1 && u.others.empty() && subject(u, 0) < 0)
    return false;  // its reason stands
  u.reason = nullptr;
  const uint64_t gains = m_.gains_;
  if (place_pods(u)) return true;
  m_.gains_ = gains;  // nothing was gained: it was taken and given back
  u.failed_gain = gains;
  if (try_others(u, claimed)) return true;
  make_room(u);
  return false;
}

// The unit with its k-th other choice in the place of its first; asked for once more, as it was.
void Pass::choose(UnitState& u, size_t k) {
  std::swap(static_cast<Model::Choice&>(u), u.others[k]);
  for (PendingPod& pod : u.unit.pods)
    if (!pod.otherwise.empty()) std::swap(pod.request, pod.otherwise[std::min(k, pod.otherwise.size() - 1)]);
}

// What would do instead, in order. Room is made and kept for the first choice alone: else a unit that waits for what it
// prefers would have others leave for what it does not want.
bool Pass::try_others(UnitState& u, const Amounts& claimed) {
  const auto reason = u.reason;
  const bool lacks_room = u.lacks_room;
  for (size_t k = 0; k < u.others.size(); ++k) {
    choose(u, k);
    const size_t first = out_.bindings.size();
    const uint64_t gains = m_.gains_;
    if (!refused(u, claimed) && place_pods(u)) {
      for (size_t b = first; b < out_.bindings.size(); ++b) out_.bindings[b].choice = k + 1;
      return true;
    }
    m_.gains_ = gains;
    choose(u, k);
  }
  u.reason = reason;
  u.lacks_room = lacks_room;
  return false;
}

std::optional<std::string> Pass::refused(const UnitState& u, const Amounts& claimed) const {
  if (!u.unit.waits.empty()) return u.unit.waits;
  const Tenant& tenant = m_.tenants_.find(u.unit.tenant)->second.tenant;
  if (tenant.terminating) return "tenant " + tenant.name + " is being deleted";
  const Work& work = u.unit.work;
  if (const auto held = m_.held_by_.find(work.unit); held != m_.held_by_.end()) {
    const int64_t runs = staying(work.unit), least = u.unit.least.value_or(int64_t(u.unit.pods.size()));
    if (int64_t(held->second.size()) > runs && runs + least < work.least)
      return "the gang that it is the rest of was told to go";
  }
  Amounts more = u.asks;
  more -= claimed;  // counts already
  auto refusal = m_.queues_.refused(u.leaf, more, m_.gpu_models_);
  return refusal ? std::move(refusal) : over_tenant(u, u.asks.gpu_milli);
}

// A tenant's limit holds for all it has, whatever queues that counts in; what is claimed for it, it has not.
std::optional<std::string> Pass::over_tenant(const UnitState& u, int64_t gpu_milli) const {
  const Model::TenantState& t = m_.tenants_.find(u.unit.tenant)->second;
  if (gpu_milli == 0 || !t.tenant.gpu_limit || t.held.gpu_milli + gpu_milli <= *t.tenant.gpu_limit * 1000)
    return std::nullopt;
  return "tenant " + t.tenant.name + " holds " + format_milli(t.held.gpu_milli) + " of its limit of " +
         std::to_string(*t.tenant.gpu_limit) + " GPUs over all its queues, needs " + format_milli(gpu_milli);
}

// Of an elastic gang's further pods: each counts once it is placed.
bool Pass::over_limit(const UnitState& u, size_t pod) const {
  const Amounts more = m_.amounts(u.unit.pods[pod].request);
  return m_.queues_.refused(u.leaf, more, m_.gpu_models_) || over_tenant(u, more.gpu_milli);
}

// All of its pods, or of an elastic gang as many as fit, but no fewer than it needs; else none.
bool Pass::place_pods(UnitState& u) {
  const size_t first = out_.bindings.size(), all = u.classes.size();
  const size_t least = std::clamp<size_t>(size_t(u.unit.least.value_or(int64_t(all))), 1, all);
  size_t placed = 0;
  std::string why;
  const TopologyAsk& ask = u.unit.topology;
  const bool by_topology = all > 1 && (ask.mode != TopologyAsk::Mode::None || ask.group > 1);
  if (by_topology) {
    for (size_t n = all; n >= least && placed == 0; n = n > least ? std::max(least, n / 2) : 0)
      if (place_by_topology(u, n, &why)) placed = n;
  }
  // A mere preference must not keep a gang waiting whose pods keep one another away.
  const bool must = ask.mode == TopologyAsk::Mode::Required || ask.group > 1;
  if (!by_topology || (placed == 0 && !must && entangled(u))) {
    why.clear();
    while (placed < all && (placed < least || !over_limit(u, placed)) && take_any(u, placed, placed == 0))
      ++placed;
    if (placed < least && placed > 0 && policy_.plant_partial_gang) return finish(u, placed), true;
  }
  if (placed >= least) return finish(u, placed), true;
  u.reason = too_large(u);
  if (!u.reason)
    u.reason = why.empty() ? affinity_reason(u, placed) : std::make_shared<const std::string>(std::move(why));
  if (all > 1 && !u.reason) u.reason = gang_reason(u, placed);
  for (size_t b = first; b < out_.bindings.size(); ++b) m_.close(out_.bindings[b].pod);
  out_.bindings.resize(first);
  return false;
}

// What an elastic gang could not place goes on waiting, pod by pod, for the same domain.
void Pass::finish(const UnitState& u, size_t placed) {
  std::optional<Unit> rest;
  if (placed < u.unit.pods.size() && !policy_.plant_partial_gang) {
    rest = u.unit;
    rest->pods.erase(rest->pods.begin(), rest->pods.begin() + std::ptrdiff_t(placed));
    rest->least = 1;
    for (PendingPod& pod : rest->pods) pod.otherwise.clear();
    rest->topology = {};
    const Labels& here = m_.node(out_.bindings.back().node)->labels;
    if (u.unit.topology.mode == TopologyAsk::Mode::Required && u.unit.topology.level < m_.topology_.host())
      for (const std::string& key : m_.topology_.level(u.unit.topology.level).keys)
        if (const auto value = here.find(key); value != here.end())
          for (PendingPod& pod : rest->pods) pod.request.where.selector[key] = value->second;
  }
  const std::string id = u.unit.id;
  forget_reservation(id);
  m_.erase_unit(id);
  if (rest) m_.set_unit(std::move(*rest));
}

// The first `n` pods, in one go. A gang whose pods differ is placed as if all were its largest.
bool Pass::place_by_topology(UnitState& u, size_t n, std::string* why) {
  const Class& c = largest(u);
  const auto most = int32_t(n);
  const AffinityIndex::Id near = subject(u, 0);
  std::vector<int32_t> pods(m_.nodes_.size()), groups;
  const TopologyAsk& ask = u.unit.topology;
  const bool all_in_one = ask.mode == TopologyAsk::Mode::Required && ask.level == m_.topology_.island();
  const int64_t group = all_in_one ? int64_t(n) : ask.group;
  // MIG instances have no NVLink: a group of them in one island is one on a node.
  if (all_in_one || (ask.group > 1 && ask.group_level == m_.topology_.island())) groups = pods;
  const bool linked = c.request.gpus > 0 && c.request.profile.empty() && c.request.parts.empty();
  for (size_t slot = 0; slot < pods.size(); ++slot) {
    ++m_.checks_;
    if (!c.eligible(m_, int(slot)) || !admits(u, c, int(slot))) continue;
    pods[slot] = room_for(u, c, int(slot), most);
    if (near >= 0) pods[slot] = pods_allowed(near, int(slot), pods[slot]);
    if (groups.empty()) continue;
    const NodeState& state = m_.nodes_[slot];
    groups[slot] = int32_t(linked ? state.islands.groups(state.free_boards(), int(group * c.request.gpus))
                                  : pods[slot] / group);
    groups[slot] = int32_t(std::min<int64_t>(groups[slot], pods[slot] / group));
  }
  const auto slots = TopologyChoice(m_.topology_, u.unit.topology, most, {pods, groups}).best();
  if (!slots) {
    *why = slots.error();
    u.lacks_room = true;
    return false;
  }
  gpu::BoardMask island = gpu::kAllBoards;
  for (size_t i = 0; i < n; ++i) {
    if (!allowed(u, i, (*slots)[i])) {  // its own pods are in each other's way, across nodes
      for (size_t taken = 0; taken < i; ++taken) m_.close(u.unit.pods[taken].uid);
      out_.bindings.resize(out_.bindings.size() - i);
      *why = std::to_string(i) + " of " + std::to_string(n) +
             " pods of the gang fit its topology and its pod affinity or spread";
      u.lacks_room = false;
      return false;
    }
    if (!groups.empty() && i % size_t(group) == 0) island = island_for(u, i, size_t(group), n, (*slots)[i]);
    take_at(u, i, (*slots)[i], "chosen with its gang along the topology", island);
  }
  return true;
}

// The boards that the group of ranks from `first` takes, where it must have them in one island; else all.
gpu::BoardMask Pass::island_for(const UnitState& u, size_t first, size_t group, size_t n, int slot) const {
  int gpus = 0;
  for (size_t i = first; i < std::min(n, first + group); ++i)
    if (const Request& r = u.unit.pods[i].request; r.profile.empty() && r.parts.empty()) gpus += int(r.gpus);
  const NodeState& state = m_.nodes_[size_t(slot)];
  const gpu::BoardMask boards = state.islands.pick(state.free_boards(), gpus, true);
  return boards ? boards : gpu::kAllBoards;
}

bool Pass::take_any(UnitState& u, size_t pod, bool alone) {
  Class& c = *u.classes[pod];
  if (c.failed_gain == m_.gains_) return false;
  bool refused = false;
  const auto admitted = [&](int slot) { return admits(u, c, slot); };
  const AffinityIndex::Id near = subject(u, pod);
  const int slot = near >= 0       ? choose_near(u, pod, near, &refused)
                   : kept_.empty() ? c.best(m_, {}, &refused)
                                   : c.best(m_, admitted, &refused);
  if (slot < 0) {
    if (alone && !refused) c.failed_gain = m_.gains_;
    return false;
  }
  take_at(u, pod, slot, why_here(c, near >= 0));
  return true;
}

std::string Pass::why_here(const Class& c, bool near) const {
  static constexpr std::string_view kBy[] = {"least expected waste", "least fragmentation", "the fullest",
                                             "drawn by lot"};  // by PlacementCost
  std::string text = c.fitting() == 1 ? "the only node that fits"
                                      : std::string(kBy[size_t(policy_.placement)]) + " of " +
                                            std::to_string(c.fitting()) + " nodes that fit";
  if (near) text += ", where pod affinity and spread allow it";
  return text;
}

void Pass::take_at(UnitState& u, size_t pod, int slot, std::string why, gpu::BoardMask within) {
  const Class& c = *u.classes[pod];
  const NodeState& node = m_.nodes_[size_t(slot)];
  Allocation a{.uid = u.unit.pods[pod].uid,
               .tenant = u.unit.tenant,
               .node = node.node.name,
               .cpu_milli = c.request.cpu_milli,
               .memory_bytes = c.request.memory_bytes,
               .work = u.unit.work,
               .since = now_};
  a.devices = c.take(m_, slot, open_to(u, c, slot), within);
  out_.bindings.push_back(
      {.unit = u.unit.id, .pod = a.uid, .node = a.node, .devices = a.devices, .why = std::move(why)});
  spend(u, c, slot, a.devices);
  m_.open(std::move(a));
}

}  // namespace ingot::scheduler
