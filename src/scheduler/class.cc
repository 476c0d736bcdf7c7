#include "scheduler/class.h"

#include <algorithm>

namespace ingot::scheduler {

bool Class::eligible(const Model& model, int slot) const {
  const NodeState& state = model.nodes_[size_t(slot)];
  const Node& node = state.node;
  const Constraints& where = request.where;
  if (!state.known || !node.ready || node.cordoned || !request.unknown.empty()) return false;
  if (!where.node.empty() && where.node != node.name) return false;
  return model.open_to(node.pool, tenant) && matches_selector(where, node.labels) &&
         matches_affinity(where, node.name, node.labels) && !blocking_taint(where, node.taints);
}

Shape Class::shape(const Model& model, int slot) const {
  const Node& node = model.nodes_[size_t(slot)].node;
  int32_t replicas = Pool{}.replicas;
  if (request.replica)
    if (const auto pool = model.pools_.find(node.pool); pool != model.pools_.end())
      replicas = pool->second.replicas;
  return shape_of(request, node.devices.empty() ? 0 : node.devices[0].memory_mib, replicas);
}

Space Class::space(const Model& model, int slot) const {
  const NodeState& state = model.nodes_[size_t(slot)];
  if (!request.share() || state.held.empty()) return state.space;
  const auto pool = model.pools_.find(state.node.pool);
  return state.space_for(tenant, pool != model.pools_.end() && pool->second.shares_across_tenants);
}

bool Class::fits_now(const Model& model, int slot) const {
  const NodeState& state = model.nodes_[size_t(slot)];
  return state.used_pods < state.node.pods && fits(space(model, slot), shape(model, slot));
}

std::vector<Held> Class::take(const Model& model, int slot, gpu::BoardMask within) const {
  int gpu = -1;
  const Shape asked = shape(model, slot);
  if (asked.gpus > 0 && asked.milli < 1000) (void)model.costs_.cost(space(model, slot), asked, &gpu);
  return scheduler::take(model.nodes_[size_t(slot)], request, asked, gpu, within);
}

// Fewest disliked taints, then the least cost.
Class::Score Class::score(const Model& model, int slot) const {
  const NodeState& state = model.nodes_[size_t(slot)];
  if (state.used_pods >= state.node.pods) return kNone;
  if (request.one_island && state.islands.largest(state.free_boards()) < request.gpus) return kNone;
  const Cost cost = model.costs_.cost(space(model, slot), shape(model, slot), nullptr);
  if (cost == kNoCost) return kNone;
  const int disliked = std::min(disliked_taints(request.where, state.node.taints), 255);
  return Score(disliked) << 48 | Score(std::clamp<Cost>(cost + kCostOffset, 0, (Cost(1) << 48) - 1));
}

bool Class::worse(const Model& model, const Candidate& a, const Candidate& b) const {
  if (a.score != b.score) return a.score > b.score;
  return model.by_name_[size_t(a.slot)] > model.by_name_[size_t(b.slot)];
}

int Class::best(Model& model, const Admits& admits, bool* refused) {
  catch_up(model);
  const auto worse = [&](const Candidate& a, const Candidate& b) { return this->worse(model, a, b); };
  std::vector<Candidate> aside;
  int found = -1;
  while (!heap_.empty()) {
    const Candidate top = heap_.front();
    const bool current = top.score == scores_[size_t(top.slot)];
    if (current && (!admits || admits(top.slot))) {
      found = top.slot;
      break;
    }
    if (current) aside.push_back(top);
    std::pop_heap(heap_.begin(), heap_.end(), worse);
    heap_.pop_back();
    ++model.checks_;
  }
  *refused = !aside.empty();
  for (const Candidate& c : aside) {
    heap_.push_back(c);
    std::push_heap(heap_.begin(), heap_.end(), worse);
  }
  return found;
}

std::vector<std::pair<Class::Score, int>> Class::candidates(Model& model, const Admits& admits) {
  catch_up(model);
  model.checks_ += scores_.size();
  std::vector<std::pair<Score, int>> out;
  for (size_t slot = 0; slot < scores_.size(); ++slot)
    if (scores_[slot] != kNone && admits(int(slot))) out.emplace_back(scores_[slot], int(slot));
  return out;
}

void Class::catch_up(Model& model) {
  model.order_names();
  const uint64_t end = model.journal_start_ + model.journal_.size();
  const auto worse = [&](const Candidate& a, const Candidate& b) { return this->worse(model, a, b); };
  const size_t slots = model.nodes_.size();
  const bool fresh = scores_.empty() || seen_ < model.journal_start_ || end - seen_ > slots ||
                     costs_ != model.costs_.version();
  scores_.resize(slots, kNone);
  eligible_.resize(slots, 0);
  if (fresh) {
    for (size_t slot = 0; slot < slots; ++slot) rate(model, int(slot), true);
  } else {
    for (; seen_ < end; ++seen_) {
      const int entry = model.journal_[seen_ - model.journal_start_];
      const int slot = entry / 2;
      const Score before = scores_[size_t(slot)];
      rate(model, slot, entry % 2 != 0);
      if (scores_[size_t(slot)] == kNone || scores_[size_t(slot)] == before) continue;
      heap_.push_back({scores_[size_t(slot)], slot});
      std::push_heap(heap_.begin(), heap_.end(), worse);
    }
  }
  seen_ = end;
  costs_ = model.costs_.version();
  if (!fresh && heap_.size() <= 4 * slots + 64) return;
  heap_.clear();
  for (size_t slot = 0; slot < slots; ++slot)
    if (scores_[slot] != kNone) heap_.push_back({scores_[slot], int(slot)});
  std::make_heap(heap_.begin(), heap_.end(), worse);
}

void Class::rate(Model& model, int slot, bool spec_changed) {
  ++model.checks_;
  if (spec_changed) eligible_[size_t(slot)] = eligible(model, slot);
  scores_[size_t(slot)] = eligible_[size_t(slot)] ? score(model, slot) : kNone;
}

void Class::forget_table() {
  scores_ = {};
  eligible_ = {};
  heap_ = {};
}

}  // namespace ingot::scheduler
