#include "scheduler/class.h"

#include <algorithm>

namespace ingot::scheduler {
namespace {

int64_t per_mille(int64_t part, int64_t whole) {
  return whole > 0 ? int64_t(double(part) / double(whole) * 1000.0) : 0;
}

}  // namespace

bool Class::eligible(const Model& model, int slot) const {
  const Model::NodeState& state = model.nodes_[size_t(slot)];
  const Node& node = state.node;
  const Constraints& where = request.where;
  return state.known && node.ready && !node.cordoned && request.unknown.empty() &&
         (where.node.empty() || where.node == node.name) && matches_selector(where, node.labels) &&
         matches_affinity(where, node.name, node.labels) && !blocking_taint(where, node.taints);
}

// Fewest disliked taints; then fewest GPUs left over, which keeps whole nodes free for who needs them and
// puts pods without GPUs where no GPU is free; then the least CPU and memory left over.
Class::Score Class::score(const Model& model, int slot) const {
  const Model::NodeState& state = model.nodes_[size_t(slot)];
  const int64_t cpu = state.node.cpu_milli - state.used_cpu - request.cpu_milli;
  const int64_t memory = state.node.memory_bytes - state.used_memory - request.memory_bytes;
  const int64_t gpus = state.free_gpus - request.gpus;
  if (cpu < 0 || memory < 0 || gpus < 0 || state.used_pods >= state.node.pods) return kNone;
  const int64_t left = per_mille(cpu, state.node.cpu_milli) + per_mille(memory, state.node.memory_bytes);
  const int disliked = std::min(disliked_taints(request.where, state.node.taints), 255);
  return Score(disliked) << 48 | Score(std::min<int64_t>(gpus, 0xffff)) << 32 | Score(left);
}

int Class::best(Model& model, int skip, bool* skipped) {
  catch_up(model);
  const auto worse = [&](const Candidate& a, const Candidate& b) {
    if (a.score != b.score) return a.score > b.score;
    return a.slot != b.slot &&
           model.nodes_[size_t(a.slot)].node.name > model.nodes_[size_t(b.slot)].node.name;
  };
  std::optional<Candidate> aside;
  int found = -1;
  while (!heap_.empty()) {
    const Candidate top = heap_.front();
    const bool stale = top.score != scores_[size_t(top.slot)];
    if (!stale && top.slot != skip) {
      found = top.slot;
      break;
    }
    if (!stale) aside = top;
    std::pop_heap(heap_.begin(), heap_.end(), worse);
    heap_.pop_back();
  }
  *skipped = aside.has_value();
  if (aside) {
    heap_.push_back(*aside);
    std::push_heap(heap_.begin(), heap_.end(), worse);
  }
  return found;
}

void Class::catch_up(Model& model) {
  const uint64_t end = model.journal_start_ + model.journal_.size();
  const auto worse = [&](const Candidate& a, const Candidate& b) {
    if (a.score != b.score) return a.score > b.score;
    return a.slot != b.slot &&
           model.nodes_[size_t(a.slot)].node.name > model.nodes_[size_t(b.slot)].node.name;
  };
  const size_t slots = model.nodes_.size();
  const bool fresh = scores_.empty() || seen_ < model.journal_start_ || end - seen_ > slots;
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
