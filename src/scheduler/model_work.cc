#include <algorithm>

#include "base/assert.h"
#include "scheduler/class.h"
#include "scheduler/model.h"

namespace ingot::scheduler {
namespace {

constexpr size_t kIdleClasses =
    512;  // kept though nobody waits with them: the next pod of a template comes soon

}  // namespace

bool Model::Order::operator<(const Order& o) const {
  if (priority != o.priority) return priority > o.priority;
  if (rank != o.rank) return rank < o.rank;
  if (created != o.created) return created < o.created;
  return id < o.id;
}

// --- what waits ---

std::string Request::text() const {
  std::string out;
  for (const int64_t n : {cpu_milli, memory_bytes, gpus, int64_t(milli), share_memory_mib,
                          int64_t(replica) + 2 * int64_t(one_island), int64_t(models)})
    out += std::to_string(n) + ' ';
  if (all_of_node) out += "all ";
  for (const Part& part : parts) out += std::to_string(part.count) + 'x' + part.profile + ' ';
  for (const Rule& rule : rules)
    out += std::to_string(rule.parts) + (rule.apart ? '!' : '=') + std::to_string(int(rule.side)) + ' ';
  return out + profile + ' ' + unknown + '|' + where.text();
}

std::string PendingPod::text() const {
  std::string out = request.text();
  for (const Request& other : otherwise) (out += " or ") += other.text();
  return out;
}

bool Request::cuts() const {
  return !profile.empty() || std::ranges::any_of(parts, [](const Part& p) { return !p.profile.empty(); });
}

// Classes of one request differ where the answer depends on who asks: by the closed pools open to the tenant,
// and, for shares of GPUs, by the tenant.
Class* Model::class_of(const Request& request, std::string_view tenant) {
  std::string text = request.text() + access_of(tenant);
  if (request.share()) (text += '@') += tenant;
  auto found = classes_.find(text);
  if (found == classes_.end()) {
    auto made = std::make_unique<Class>(request, tenant, text);
    found = classes_.emplace(std::move(text), std::move(made)).first;
  } else if (found->second->users == 0) {
    --idle_classes_;
  }
  ++found->second->users;
  return found->second.get();
}

void Model::release(Class* c) {
  ASSERT(c->users > 0);
  if (--c->users > 0) return;
  if (idle_classes_ < kIdleClasses)
    ++idle_classes_;
  else
    classes_.erase(std::string(c->text));
}

// Pools changed, or who may use them.
void Model::rekey() {
  for (auto& [id, u] : units_) {
    release(u);
    ask_for(u, u.unit);
  }
  for (auto& [text, c] : classes_) c->forget_table();
  for (size_t at = 0; at < nodes_.size(); ++at) see(int(at));
  ask_again();
  ++gains_;
  ++version_;
}

void Model::sort_in(UnitState& u) {
  u.leaf = leaf_of(u.unit.tenant, u.unit.work.queue);
  u.order = {u.unit.priority, u.order.rank, u.unit.created, u.unit.id, &u};
  lines_[u.leaf].insert(u.order);
  queues_.set_pending(u.leaf, lines_[u.leaf].begin()->created);
}

void Model::take_out(UnitState& u) {
  const auto line = lines_.find(u.leaf);
  line->second.erase(u.order);
  if (!line->second.empty()) return queues_.set_pending(u.leaf, line->second.begin()->created);
  queues_.clear_pending(u.leaf);
  lines_.erase(line);
}

bool Model::same_unit(const Unit& unit) const {
  const auto found = units_.find(unit.id);
  if (found == units_.end()) return false;
  const Unit& now = found->second.unit;
  if (now.tenant != unit.tenant || now.priority != unit.priority || now.created != unit.created ||
      now.waits != unit.waits || now.least != unit.least || !(now.topology == unit.topology) ||
      now.work.queue != unit.work.queue || now.work.run_time != unit.work.run_time ||
      now.work.origin != unit.work.origin || now.work.attained != unit.work.attained ||
      now.pods.size() != unit.pods.size())
    return false;
  for (size_t i = 0; i < unit.pods.size(); ++i)
    if (now.pods[i].uid != unit.pods[i].uid || now.pods[i].text() != unit.pods[i].text()) return false;
  return true;
}

void Model::set_unit(Unit unit) {
  ASSERT(!unit.pods.empty());
  if (same_unit(unit)) return;
  erase_unit(unit.id);
  ++version_;
  tenant(unit.tenant);
  UnitState state;
  ask_for(state, unit);
  if (unit.work.unit.empty()) {  // else it is the rest of a gang
    unit.work.unit = unit.id;
    unit.work.least = unit.least.value_or(int64_t(unit.pods.size()));
  }
  unit.work.priority = unit.priority;
  state.unit = std::move(unit);
  for (const PendingPod& pod : state.unit.pods)
    if (!pod.request.parts.empty())
      observe_parts(pod.request);
    else if (pod.request.profile.empty())
      costs_.observe(shape_of(pod.request, 0, Pool{}.replicas));
    else
      costs_.observe_slices(pod.request.profile, pod.request.gpus);
  std::string id = state.unit.id;
  sort_in(units_.try_emplace(std::move(id), std::move(state)).first->second);
}

void Model::observe_parts(const Request& request) {
  Shape wholes = shape_of(request, 0, Pool{}.replicas);
  for (const Part& part : request.parts)
    if (part.profile.empty())
      wholes.gpus += int32_t(std::min<int64_t>(part.count, kMaxGpus));
    else
      costs_.observe_slices(part.profile, part.count);
  if (wholes.gpus > 0) costs_.observe(wholes);
}

void Model::erase_unit(std::string_view id) {
  const auto found = units_.find(id);
  if (found == units_.end()) return;
  ++version_;
  drop_reservation(id);
  take_out(found->second);
  release(found->second);
  const std::string owner = found->second.unit.tenant;
  units_.erase(found);
  forget_tenant(owner);
}

// --- what is held ---

// A request's GPUs count before it is known where it goes: without a model; and a MIG instance, a replica or a
// share that is asked for by its memory as on the board where it is most of it. So no limit is ever passed.
Amounts Model::amounts(const Request& r) const {
  Amounts a;
  a.cpu_milli = r.cpu_milli;
  a.memory_mib = mib_needed(r.memory_bytes);
  a.gpu_milli = gpu_milli(r, r.models);
  return a;
}

int64_t Model::gpu_milli(const Request& r, ModelSet models) const {
  int32_t milli = r.milli;
  if (r.replica) {
    int32_t replicas = Pool{}.replicas;
    for (const auto& [name, pool] : pools_) replicas = std::min(replicas, pool.replicas);
    milli = 1000 / replicas;
  }
  if (r.parts.empty()) return r.gpus * most_milli(r, models, r.profile, milli);
  int64_t all = 0;
  for (const Part& part : r.parts) all += part.count * most_milli(r, models, part.profile, 1000);
  return all;
}

std::vector<std::pair<ModelId, int64_t>> Model::takes(const Request& r) const {
  std::vector<std::pair<ModelId, int64_t>> out;
  if (r.gpus == 0 && r.parts.empty()) return out;
  for (size_t id = 0; id < gpu_models_.size(); ++id) {
    const ModelSet alone = ModelSet{1} << id;
    if ((r.models & alone) == 0) continue;
    if (const int64_t milli = gpu_milli(r, alone); milli > 0) out.emplace_back(ModelId(id), milli);
  }
  return out;
}

int64_t Model::most_milli(const Request& r, ModelSet models, const std::string& name, int32_t milli) const {
  int32_t most = name.empty() && r.share_memory_mib == 0 ? milli : 0;
  for (size_t id = 0; id < gpu_models_.size(); ++id) {
    if ((models >> id & 1) == 0) continue;
    const gpu::Profile* profile = gpu::find_profile(gpu_models_[id], name);
    if (!name.empty() && !profile) continue;
    const int64_t whole = profile ? profile->memory_mib : least_memory_[id];
    const int32_t part = r.share_memory_mib > 0 && whole > 0 ? milli_of(r.share_memory_mib, whole) : milli;
    if (part <= 1000) most = std::max(most, gpu::board_milli(gpu_models_[id], name, part));
  }
  return most;
}

// Of all pods that must run at least.
Amounts Model::asks(const Unit& unit, size_t choice) const {
  Amounts out;
  int64_t n = 0;
  for (const PendingPod& pod : unit.pods)
    if (++n <= unit.least.value_or(INT64_MAX)) out += amounts(pod.choice(choice));
  return out;
}

// The factory has other boards than before, or other pools.
void Model::ask_again() {
  for (auto& [id, u] : units_) {
    u.asks = asks(u.unit, 0);
    for (size_t k = 0; k < u.others.size(); ++k) u.others[k].asks = asks(u.unit, k + 1);
  }
}

// The classes and amounts of all choices that the unit has.
void Model::ask_for(UnitState& state, const Unit& unit) {
  size_t choices = 0;
  for (const PendingPod& pod : unit.pods) {
    state.classes.push_back(class_of(pod.request, unit.tenant));
    choices = std::max(choices, pod.otherwise.size());
  }
  state.asks = asks(unit, 0);
  for (size_t k = 1; k <= std::min(choices, kMaxChoices - 1); ++k) {
    Choice& other = state.others.emplace_back();
    for (const PendingPod& pod : unit.pods) other.classes.push_back(class_of(pod.choice(k), unit.tenant));
    other.asks = asks(unit, k);
  }
}

void Model::release(UnitState& state) {
  for (Class* c : state.classes) release(c);
  for (Choice& other : state.others)
    for (Class* c : other.classes) release(c);
  state.classes.clear();
  state.others.clear();
}

Amounts Model::amounts(const Allocation& a) {
  Amounts out;
  out.cpu_milli = a.cpu_milli;
  out.memory_mib = mib_needed(a.memory_bytes);
  for (const Held& h : a.devices)
    out.add_gpu(model_id(h.model), gpu::board_milli(h.model, h.profile, h.milli));
  return out;
}

void Model::count(const Allocation& a, int sign) {
  const int at = slot(a.node);
  nodes_[size_t(at)].count(a, sign);
  if (const auto subject = subjects_.find(a.uid); subject != subjects_.end())
    seat(subject->second, sign > 0 ? at : -1);
  const Amounts held = amounts(a);
  TenantState& t = tenant(a.tenant);
  if (sign > 0) {
    t.held += held;
    queues_.add_usage(a.leaf, held);
  } else {
    t.held -= held;
    queues_.remove_usage(a.leaf, held);
  }
  touched(at, sign > 0 ? Changed::Less : Changed::More);
  forget_slot(at);
  forget_tenant(a.tenant);
}

const Allocation& Model::open(Allocation a) {
  close(a.uid);
  if (a.work.unit.empty()) a.work.unit = a.uid;
  a.leaf = leaf_of(a.tenant, a.work.queue);
  tenant(a.tenant);
  count(a, 1);
  held_by_[a.work.unit].insert(a.uid);
  ++running_[a.leaf][a.work.priority];
  movable_ += a.work.movable;
  std::string uid = a.uid;
  if (a.leaving) leaving_.insert(uid);
  const Allocation& opened = allocations_.try_emplace(std::move(uid), std::move(a)).first->second;
  share(opened, true);
  return opened;
}

void Model::share(const Allocation& a, bool open) {
  for (const std::string& claim : a.claims) {
    std::set<std::string>& users = sharing_[claim];
    shared_ -= users.size() > 1;
    open ? void(users.insert(a.uid)) : void(users.erase(a.uid));
    shared_ += users.size() > 1;
    const bool charged = std::ranges::any_of(users, [&](const std::string& uid) {
      const auto found = allocations_.find(uid);
      return found != allocations_.end() &&
             std::ranges::count(found->second.devices, claim, &Held::claim) > 0;
    });
    if (users.empty() || charged)
      uncharged_.erase(claim);
    else
      uncharged_[claim] = users;
    if (users.empty()) sharing_.erase(claim);
  }
}

std::set<std::string> Model::sharers(std::string_view uid) const {
  std::set<std::string> all{std::string(uid)};
  std::vector<std::string> next{std::string(uid)};
  while (!next.empty()) {
    const auto found = allocations_.find(next.back());
    next.pop_back();
    if (found == allocations_.end()) continue;
    for (const std::string& claim : found->second.claims)
      for (const std::string& other : sharing_.at(claim))
        if (all.insert(other).second) next.push_back(other);
  }
  return all;
}

void Model::close(std::string_view uid) {
  const auto found = allocations_.find(uid);
  if (found == allocations_.end()) return;
  const Allocation gone = std::move(found->second);
  allocations_.erase(found);
  share(gone, false);
  leaving_.erase(gone.uid);
  movable_ -= gone.work.movable;
  const auto unit = held_by_.find(gone.work.unit);
  unit->second.erase(gone.uid);
  if (unit->second.empty()) held_by_.erase(unit);
  const auto leaf = running_.find(gone.leaf);
  if (--leaf->second[gone.work.priority] == 0) leaf->second.erase(gone.work.priority);
  if (leaf->second.empty()) running_.erase(leaf);
  count(gone, -1);
}

void Model::set_leaving(std::string_view uid) {
  const auto found = allocations_.find(uid);
  if (found == allocations_.end() || found->second.leaving) return;
  found->second.leaving = true;
  leaving_.insert(found->first);
  ++version_;
}

// Room that was made by eviction counts for its owner already, so that it is not claimed twice.
void Model::set_reservation(Reservation r) {
  drop_reservation(r.unit);
  ++version_;
  const auto unit = units_.find(r.unit);
  if (r.evicting && unit != units_.end()) {
    r.leaf = unit->second.leaf;
    r.claimed = unit->second.asks;
    queues_.add_usage(r.leaf, r.claimed);
  }
  std::string id = r.unit;
  reservations_.emplace(std::move(id), std::move(r));
}

void Model::drop_reservation(std::string_view unit) {
  const auto found = reservations_.find(std::string(unit));
  if (found == reservations_.end()) return;
  if (!found->second.claimed.empty()) queues_.remove_usage(found->second.leaf, found->second.claimed);
  reservations_.erase(found);
}

// --- answers ---

const Node* Model::node(std::string_view name) const {
  const auto found = slots_.find(name);
  if (found == slots_.end() || !nodes_[size_t(found->second)].known) return nullptr;
  return &nodes_[size_t(found->second)].node;
}

int64_t Model::free_gpus(std::string_view name) const {
  const auto found = slots_.find(name);
  return found == slots_.end() ? 0 : nodes_[size_t(found->second)].free_gpus;
}

const Allocation* Model::allocation(std::string_view uid) const {
  const auto found = allocations_.find(uid);
  return found == allocations_.end() ? nullptr : &found->second;
}

const Unit* Model::unit(std::string_view id) const {
  const auto found = units_.find(id);
  return found == units_.end() ? nullptr : &found->second.unit;
}

int64_t Model::gpus_held(std::string_view id) const {
  const auto found = tenants_.find(id);
  return found == tenants_.end() ? 0 : found->second.held.gpu_milli / 1000;
}

}  // namespace ingot::scheduler
