#include "scheduler/model.h"

#include <algorithm>

#include "base/assert.h"
#include "scheduler/class.h"

namespace ingot::scheduler {
namespace {

constexpr size_t kIdleClasses =
    64;  // kept though nobody waits with them: the next pod of a template comes soon

}  // namespace

Model::Model() = default;
Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

bool Model::TenantState::Order::operator<(const Order& o) const {
  if (priority != o.priority) return priority > o.priority;
  if (created != o.created) return created < o.created;
  return id < o.id;
}

std::string Request::text() const {
  return std::to_string(cpu_milli) + ' ' + std::to_string(memory_bytes) + ' ' + std::to_string(gpus) + ' ' +
         unknown + '|' + where.text();
}

int Model::slot(std::string_view name) {
  const auto found = slots_.find(name);
  if (found != slots_.end()) return found->second;
  int slot;
  if (vacant_.empty()) {
    slot = int(nodes_.size());
    nodes_.emplace_back();
  } else {
    slot = vacant_.back();
    vacant_.pop_back();
  }
  nodes_[size_t(slot)].node.name = name;
  slots_.emplace(name, slot);
  return slot;
}

void Model::forget_slot(int slot) {
  NodeState& state = nodes_[size_t(slot)];
  if (state.known || state.used_pods > 0) return;
  slots_.erase(state.node.name);
  state = {};
  vacant_.push_back(slot);
}

void Model::touched(int slot, Changed changed) {
  // Past that many entries reading them is no cheaper than looking at every node.
  if (journal_.size() > 2 * nodes_.size() + 1024) {
    journal_start_ += journal_.size();
    journal_.clear();
  }
  journal_.push_back(slot * 2 + (changed == Changed::Spec));
  if (changed != Changed::Less) ++gains_;
  ++version_;
}

void Model::recount(NodeState& state) {
  state.free_gpus = std::ranges::count_if(
      state.node.devices, [&](const Device& d) { return d.healthy && !state.held.contains(d.uuid); });
}

void Model::set_node(Node node) {
  const int at = slot(node.name);
  NodeState& state = nodes_[size_t(at)];
  if (state.known && state.node == node) return;
  total_gpus_ += int64_t(node.devices.size()) - int64_t(state.node.devices.size());
  total_cpu_ += node.cpu_milli - state.node.cpu_milli;
  total_memory_ += node.memory_bytes - state.node.memory_bytes;
  state.node = std::move(node);
  state.known = true;
  recount(state);
  touched(at, Changed::Spec);
}

void Model::erase_node(std::string_view name) {
  const auto found = slots_.find(name);
  if (found == slots_.end() || !nodes_[size_t(found->second)].known) return;
  const int at = found->second;
  set_node({.name = std::string(name)});  // takes its capacity out of the totals
  nodes_[size_t(at)].known = false;
  forget_slot(at);
}

Model::TenantState& Model::tenant(std::string_view id) {
  const auto found = tenants_.find(id);
  if (found != tenants_.end()) return found->second;
  TenantState& made = tenants_[std::string(id)];
  made.tenant = {.id = std::string(id), .name = std::string(id)};
  return made;
}

void Model::forget_tenant(std::string_view id) {
  const auto found = tenants_.find(id);
  if (found == tenants_.end()) return;
  const TenantState& t = found->second;
  if (t.tenant == Tenant{.id = t.tenant.id, .name = t.tenant.id} && t.queue.empty() && t.gpus == 0 &&
      t.cpu_milli == 0 && t.memory_bytes == 0)
    tenants_.erase(found);
}

void Model::set_tenant(Tenant t) {
  ASSERT(t.weight >= 1);
  TenantState& state = tenant(t.id);
  if (state.tenant == t) return;
  const std::string id = t.id;
  state.tenant = std::move(t);
  ++gains_;
  ++version_;
  forget_tenant(id);
}

void Model::erase_tenant(std::string_view id) {
  if (tenants_.contains(id)) set_tenant({.id = std::string(id), .name = std::string(id)});
}

Class* Model::class_of(const Request& request) {
  std::string text = request.text();
  auto found = classes_.find(text);
  if (found == classes_.end()) {
    auto made = std::make_unique<Class>();
    made->text = text;
    made->request = request;
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

bool Model::same_unit(const Unit& unit) const {
  const auto found = units_.find(unit.id);
  if (found == units_.end()) return false;
  const UnitState& now = found->second;
  if (now.unit.tenant != unit.tenant || now.unit.priority != unit.priority ||
      now.unit.created != unit.created || now.unit.waits != unit.waits ||
      now.unit.pods.size() != unit.pods.size())
    return false;
  for (size_t i = 0; i < unit.pods.size(); ++i)
    if (now.unit.pods[i].uid != unit.pods[i].uid || now.classes[i]->text != unit.pods[i].request.text())
      return false;
  return true;
}

void Model::set_unit(Unit unit) {
  ASSERT(!unit.pods.empty());
  if (same_unit(unit)) return;
  erase_unit(unit.id);
  ++version_;
  UnitState state;
  for (const PendingPod& pod : unit.pods) {
    state.classes.push_back(class_of(pod.request));
    state.gpus += pod.request.gpus;
  }
  tenant(unit.tenant).queue.insert({unit.priority, unit.created, unit.id});
  state.unit = std::move(unit);
  std::string id = state.unit.id;
  units_.emplace(std::move(id), std::move(state));
}

void Model::erase_unit(std::string_view id) {
  const auto found = units_.find(id);
  if (found == units_.end()) return;
  ++version_;
  const Unit& unit = found->second.unit;
  tenant(unit.tenant).queue.erase({unit.priority, unit.created, unit.id});
  for (Class* c : found->second.classes) release(c);
  const std::string owner = unit.tenant;
  units_.erase(found);
  forget_tenant(owner);
}

void Model::count(const Allocation& a, int sign) {
  const int at = slot(a.node);
  NodeState& state = nodes_[size_t(at)];
  state.used_cpu += sign * a.cpu_milli;
  state.used_memory += sign * a.memory_bytes;
  state.used_pods += sign;
  for (const std::string& uuid : a.devices)
    if ((state.held[uuid] += sign) <= 0) state.held.erase(uuid);
  recount(state);
  TenantState& t = tenant(a.tenant);
  t.gpus += sign * int64_t(a.devices.size());
  t.cpu_milli += sign * a.cpu_milli;
  t.memory_bytes += sign * a.memory_bytes;
  touched(at, sign > 0 ? Changed::Less : Changed::More);
  forget_slot(at);
  forget_tenant(a.tenant);
}

void Model::open(Allocation a) {
  close(a.uid);
  count(a, 1);
  std::string uid = a.uid;
  allocations_.emplace(std::move(uid), std::move(a));
}

void Model::close(std::string_view uid) {
  const auto found = allocations_.find(uid);
  if (found == allocations_.end()) return;
  const Allocation gone = std::move(found->second);
  allocations_.erase(found);
  count(gone, -1);
}

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
  return found == tenants_.end() ? 0 : found->second.gpus;
}

}  // namespace ingot::scheduler
