#include "scheduler/class.h"

#include <algorithm>

namespace ingot::scheduler {

Class::Class(Request r, std::string_view who, std::string t)
    : text(std::move(t)), request(std::move(r)), tenant(who) {
  const Constraints& where = request.where;
  anywhere_ = request.unknown.empty() && !request.cuts() && !request.all_of_node && where.selector.empty() &&
              !where.affinity && where.node.empty();
  if (!request.replica && request.share_memory_mib == 0 && request.profile.empty() && request.parts.empty())
    shape_ = shape_of(request, 0, Pool{}.replicas);
}

bool Class::eligible(const Model& model, int slot) const {
  const NodeState& state = model.nodes_[size_t(slot)];
  const Node& node = state.node;
  const Constraints& where = request.where;
  if (!state.known || !node.ready || node.cordoned || !request.unknown.empty()) return false;
  if (!where.node.empty() && where.node != node.name) return false;
  if (request.cuts() && !cuts(model, slot)) return false;
  if (request.all_of_node && int64_t(node.devices.size()) != request.gpus) return false;
  return model.open_to(node.pool, tenant) && matches_selector(where, node.labels) &&
         matches_affinity(where, node.name, node.labels) && !blocking_taint(where, node.taints);
}

Shape Class::shape(const Model& model, int slot) const {
  const NodeState& state = model.nodes_[size_t(slot)];
  int32_t replicas = Pool{}.replicas;
  if (request.replica)
    if (const auto pool = model.pools_.find(state.node.pool); pool != model.pools_.end())
      replicas = pool->second.replicas;
  return shape_on(state, request, replicas);
}

Space Class::space(const Model& model, int slot) const {
  const NodeState& state = model.nodes_[size_t(slot)];
  if (!request.share() || state.held.empty()) return state.space;
  return state.space_for(tenant, mixes(model, slot));
}

bool Class::mixes(const Model& model, int slot) {
  const auto pool = model.pools_.find(model.nodes_[size_t(slot)].node.pool);
  return pool != model.pools_.end() && pool->second.shares_across_tenants;
}

bool Class::cuts(const Model& model, int slot) const {
  const auto pool = model.pools_.find(model.nodes_[size_t(slot)].node.pool);
  return pool == model.pools_.end() || pool->second.slices;
}

int64_t Class::places(const Model& model, int slot, bool empty) const {
  const NodeState& state = model.nodes_[size_t(slot)];
  const Shape asked = shape(model, slot);
  if (asked.layout) {  // all of it, or nothing
    Space seen = empty ? emptied(state.space) : state.space;
    seen.cpu_milli = seen.memory_mib = 0;
    return fits(seen, {.models = asked.models, .layout = asked.layout}) ? 1 : 0;
  }
  if (asked.slice) return slice_places(empty ? emptied(state.space) : space(model, slot), asked);
  if (!request.profile.empty()) return 0;
  if (!request.share()) return empty ? int64_t(state.node.devices.size()) : state.free_gpus;
  const Space seen = empty ? emptied(state.space) : space(model, slot);
  int64_t n = 0;
  for (int g = 0; g < seen.gpus; ++g) n += seen.free_milli[size_t(g)] / asked.milli;
  return n;
}

bool Class::fits_now(const Model& model, int slot) const {
  const NodeState& state = model.nodes_[size_t(slot)];
  return state.used_pods < state.node.pods && fits(space(model, slot), shape(model, slot));
}

std::vector<Held> Class::take(const Model& model, int slot, const Space& open, gpu::BoardMask within) const {
  int gpu = -1;
  const Shape asked = shape(model, slot);
  if (asked.slice || asked.layout)
    return scheduler::take(model.nodes_[size_t(slot)], asked, model.costs_.slices(open, asked));
  if (asked.gpus > 0 && asked.milli < 1000) (void)model.costs_.cost(open, asked, &gpu);
  return scheduler::take(model.nodes_[size_t(slot)], request, asked, gpu, within);
}

// Fewest disliked taints, then the least cost.
Class::Score Class::score(Model& model, int slot, Costs::Row* row) const {
  Model::Sight& sight = model.sights_[size_t(slot)];
  if (sight.pods <= 0) return Ranking::kNone;
  const NodeState& state = model.nodes_[size_t(slot)];
  if (request.one_island && request.profile.empty() &&
      state.islands.largest(state.free_boards()) < request.gpus)
    return Ranking::kNone;
  Cost cost;
  if (!shape_ || (request.share() && sight.sharer != Model::Sight::kNobody && sight.sharer != tenant_)) {
    cost = model.costs_.cost(space(model, slot), shape(model, slot), nullptr);
  } else if (row) {
    cost = row->at(state.space, sight.look);
  } else {
    model.costs_.renew(sight.look);
    cost = model.costs_.cost(state.space, sight.look, *shape_, nullptr);
  }
  if (cost == kNoCost) return Ranking::kNone;
  const int disliked = sight.open ? 0 : std::min(disliked_taints(request.where, state.node.taints), 255);
  return Score(disliked) << 48 | Score(std::clamp<Cost>(cost + kCostOffset, 0, (Cost(1) << 48) - 1));
}

int Class::best(Model& model, const Admits& admits, bool* refused) {
  catch_up(model);
  return ranking_.best(model.by_name_, admits, refused);
}

std::vector<std::pair<Class::Score, int>> Class::candidates(Model& model, const Admits& admits) {
  catch_up(model);
  const std::vector<Score>& scores = ranking_.scores();
  model.checks_ += scores.size();
  std::vector<std::pair<Score, int>> out;
  for (size_t slot = 0; slot < scores.size(); ++slot)
    if (scores[slot] != Ranking::kNone && admits(int(slot))) out.emplace_back(scores[slot], int(slot));
  return out;
}

void Class::catch_up(Model& model) {
  model.order_names();
  const uint64_t end = model.journal_start_ + model.journal_.size();
  const size_t slots = model.nodes_.size();
  const bool fresh = eligible_.empty() || seen_ < model.journal_start_ || end - seen_ > slots ||
                     costs_ != model.costs_.version();
  eligible_.resize(slots, 0);
  if (fresh) {
    costs_ = model.costs_.version();
    const auto asker = model.tenants_.find(tenant);
    tenant_ = asker == model.tenants_.end() ? Model::Sight::kNobody : asker->second.number;
    std::optional<Costs::Row> row;
    if (shape_) row.emplace(model.costs_, *shape_);
    std::vector<Score> scores(slots);
    for (size_t slot = 0; slot < slots; ++slot)
      scores[slot] = rate(model, int(slot), true, row ? &*row : nullptr);
    ranking_.assign(std::move(scores), model.by_name_);
  } else {
    ranking_.grow(slots);
    for (; seen_ < end; ++seen_) {
      const int entry = model.journal_[seen_ - model.journal_start_];
      ranking_.set(entry / 2, rate(model, entry / 2, entry % 2 != 0, nullptr), model.by_name_);
    }
  }
  seen_ = end;
}

Class::Score Class::rate(Model& model, int slot, bool spec_changed, Costs::Row* row) {
  ++model.checks_;
  if (spec_changed)
    eligible_[size_t(slot)] = (anywhere_ && model.sights_[size_t(slot)].open) || eligible(model, slot);
  return eligible_[size_t(slot)] ? score(model, slot, row) : Ranking::kNone;
}

void Class::forget_table() {
  ranking_.clear();
  eligible_ = {};
}

}  // namespace ingot::scheduler
