#include "scheduler/model.h"

#include <algorithm>

#include "base/assert.h"
#include "scheduler/class.h"

namespace ingot::scheduler {

Model::Model() = default;
Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

void Model::set_costs(PlacementCost kind, uint64_t seed) { costs_.set(kind, seed); }

double Model::fragmentation(const Typical& typical) const {
  double sum = 0;
  for (const auto& [name, at] : slots_) sum += scheduler::fragmentation(nodes_[size_t(at)].space, typical);
  return sum;
}

void Model::set_typical(Typical typical) { costs_.set_typical(std::move(typical)); }

ModelId Model::model_id(std::string_view name) {
  const auto found = std::ranges::find(gpu_models_, name);
  if (found != gpu_models_.end()) return ModelId(found - gpu_models_.begin());
  // Past the bound all further models are one: they still count as GPUs, but not apart.
  if (gpu_models_.size() >= kMaxGpuModels) return kMaxGpuModels - 1;
  gpu_models_.emplace_back(name);
  least_memory_.push_back(0);
  ask_again();
  return ModelId(gpu_models_.size() - 1);
}

// --- nodes ---

int Model::slot(std::string_view name) {
  const auto found = slots_.find(name);
  if (found != slots_.end()) return found->second;
  int slot;
  if (vacant_.empty()) {
    slot = int(nodes_.size());
    nodes_.emplace_back();
    sights_.emplace_back();
  } else {
    slot = vacant_.back();
    vacant_.pop_back();
  }
  nodes_[size_t(slot)].node.name = name;
  slots_.try_emplace(std::string(name), slot);
  by_name_.clear();
  return slot;
}

void Model::forget_slot(int slot) {
  NodeState& state = nodes_[size_t(slot)];
  if (state.known || state.used_pods > 0) return;
  slots_.erase(state.node.name);
  state = NodeState{};
  see(slot);
  vacant_.push_back(slot);
}

void Model::see(int slot) {
  const NodeState& state = nodes_[size_t(slot)];
  const Node& node = state.node;
  const auto pool = pools_.find(node.pool);
  sights_[size_t(slot)] = {.look = look_at(state.space),
                           .pods = node.pods - state.used_pods,
                           .open = state.known && node.ready && !node.cordoned && node.taints.empty() &&
                                   (pool == pools_.end() || !pool->second.closed)};
  Sight& sight = sights_[size_t(slot)];
  for (const auto& [uuid, use] : state.held)
    for (const auto& [id, n] : use.sharers) {
      const uint64_t sharer = tenant(id).number;
      sight.sharer = sight.sharer == Sight::kNobody || sight.sharer == sharer ? sharer : Sight::kSeveral;
    }
}

void Model::touched(int slot, Changed changed) {
  see(slot);
  // Past that many entries reading them is no cheaper than looking at every node.
  if (journal_.size() > 2 * nodes_.size() + 1024) {
    journal_start_ += journal_.size();
    journal_.clear();
  }
  journal_.push_back(slot * 2 + (changed == Changed::Spec));
  if (changed != Changed::Less) ++gains_;
  ++version_;
}

void Model::capacity(const Node& node, int sign) {
  Amounts a;
  a.cpu_milli = node.cpu_milli;
  a.memory_mib = node.memory_bytes >> 20;
  for (const Device& d : node.devices) a.add_gpu(model_id(d.model), 1000);
  sign > 0 ? capacity_ += a : capacity_ -= a;
  queues_.set_capacity(capacity_);
  std::array<int64_t, kMaxGpuModels> by_model{};
  for (const auto& [model, milli] : capacity_.models) by_model[model] = milli;
  costs_.set_capacity(by_model);
}

void Model::set_node(Node node) {
  const int at = slot(node.name);
  NodeState& state = nodes_[size_t(at)];
  if (state.known && state.node == node) return;
  capacity(state.node, -1);
  capacity(node, 1);
  for (const Device& d : node.devices) {
    int64_t& least = least_memory_[model_id(d.model)];
    if (d.memory_mib <= 0 || (least > 0 && least <= d.memory_mib)) continue;
    least = d.memory_mib;
    ask_again();
  }
  const ModelId model = node.devices.empty() ? ModelId(0) : model_id(node.devices[0].model);
  state.set_node(std::move(node), model);
  state.known = true;
  topology_.set_node(at, state.node.name, state.node.labels);
  affinity_.set_node(at, state.node.name, state.node.labels, state.node.taints, state.node.cordoned);
  touched(at, Changed::Spec);
}

void Model::erase_node(std::string_view name) {
  const auto found = slots_.find(name);
  if (found == slots_.end() || !nodes_[size_t(found->second)].known) return;
  const int at = found->second;
  set_node({.name = std::string(name)});  // takes its capacity out of the totals
  nodes_[size_t(at)].known = false;
  see(at);
  topology_.erase_node(at);
  affinity_.erase_node(at);
  forget_slot(at);
}

void Model::order_names() {
  if (!by_name_.empty()) return;
  by_name_.resize(nodes_.size());
  int place = 0;
  for (const auto& [name, at] : slots_) by_name_[size_t(at)] = place++;
}

void Model::set_levels(std::vector<Level> levels) {
  topology_ = TopologyTree(std::move(levels));
  for (const auto& [name, at] : slots_)
    if (nodes_[size_t(at)].known) topology_.set_node(at, name, nodes_[size_t(at)].node.labels);
  ++gains_;
  ++version_;
}

// --- tenants, pools, queues ---

Model::TenantState& Model::tenant(std::string_view id) {
  const auto found = tenants_.find(id);
  if (found != tenants_.end()) return found->second;
  TenantState& made = tenants_[std::string(id)];
  made.tenant = {.id = std::string(id), .name = std::string(id)};
  made.number = ++tenants_seen_;
  set_leaf(made.tenant);
  return made;
}

void Model::forget_tenant(std::string_view id) {
  const auto found = tenants_.find(id);
  if (found == tenants_.end()) return;
  const TenantState& t = found->second;
  if (!(t.tenant == Tenant{.id = t.tenant.id, .name = t.tenant.id}) || !t.held.empty()) return;
  const std::string leaf = leaf_of(id, "");
  if (lines_.contains(leaf)) return;
  queues_.erase(leaf);
  tenants_.erase(found);
}

// A tenant's own leaf. No object's name holds a '~'.
std::string Model::leaf_of(std::string_view tenant, std::string_view queue) const {
  if (!queue.empty() && queue != leaving_queue_ && queues_.contains(queue)) return std::string(queue);
  return own_leaf(tenant);
}

void Model::set_leaf(const Tenant& t) {
  Queue leaf{.name = leaf_of(t.id, ""), .title = "tenant " + t.name, .parent = t.queue, .weight = t.weight};
  leaf.guarantee.gpu_milli = t.gpu_guarantee * 1000;
  if (t.gpu_limit) leaf.limit.gpu_milli = *t.gpu_limit * 1000;
  queues_.set(leaf);
}

void Model::set_tenant(Tenant t) {
  ASSERT(t.weight >= 1);
  TenantState& state = tenant(t.id);
  if (state.tenant == t) return;
  const std::string id = t.id;
  state.tenant = std::move(t);
  set_leaf(state.tenant);
  ++gains_;
  ++version_;
  rekey();
  forget_tenant(id);
}

void Model::erase_tenant(std::string_view id) {
  past_runs_.forget(id);
  if (tenants_.contains(id)) set_tenant({.id = std::string(id), .name = std::string(id)});
}

void Model::set_pool(Pool pool) {
  ASSERT(pool.replicas >= 1);
  const auto found = pools_.find(pool.name);
  if (found != pools_.end() && found->second == pool) return;
  std::string name = pool.name;
  pools_[std::move(name)] = std::move(pool);
  rekey();
}

void Model::erase_pool(std::string_view name) {
  const auto found = pools_.find(name);
  if (found == pools_.end()) return;
  pools_.erase(found);
  rekey();
}

bool Model::open_to(std::string_view pool, std::string_view tenant) const {
  const auto found = pools_.find(pool);
  return found == pools_.end() || !found->second.closed ||
         found->second.tenants.contains(std::string(tenant));
}

// Place i: the i-th closed pool, in name order, is open to the tenant.
std::string Model::access_of(std::string_view tenant) const {
  std::string out;
  for (const auto& [name, pool] : pools_)
    if (pool.closed) out += pool.tenants.contains(std::string(tenant)) ? '1' : '0';
  return out;
}

void Model::set_queue(const Queue& queue) {
  const bool known = queues_.contains(queue.name);
  queues_.set(queue);
  ++gains_;
  ++version_;
  if (!known) resort(queue.name);
}

void Model::erase_queue(std::string_view name) {
  if (!queues_.contains(name)) return;
  const std::string gone(name);
  leaving_queue_ = gone;
  resort(gone);
  leaving_queue_.clear();
  queues_.erase(gone);
}

// A queue came or went: what named it counts elsewhere now.
void Model::resort(std::string_view queue) {
  std::vector<std::string> claims;
  for (const auto& [unit, r] : reservations_)
    if (r.leaf == queue) claims.push_back(unit);
  for (const std::string& unit : claims) drop_reservation(unit);
  for (auto& [id, u] : units_) {
    if (u.unit.work.queue != queue) continue;
    take_out(u);
    sort_in(u);
  }
  std::vector<Allocation> moved;
  for (const auto& [uid, a] : allocations_)
    if (a.work.queue == queue) moved.push_back(a);
  for (Allocation& a : moved) open(std::move(a));  // which finds its leaf anew
  ++gains_;
  ++version_;
}

}  // namespace ingot::scheduler
