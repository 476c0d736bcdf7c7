#include "scheduler/ranking.h"

#include <algorithm>
#include <utility>

namespace ingot::scheduler {

bool Ranking::better(int a, int b, const Names& names) const {
  const Score mine = a < 0 ? kNone : scores_[std::size_t(a)], other = b < 0 ? kNone : scores_[std::size_t(b)];
  if (mine != other || mine == kNone) return mine < other;
  return names[std::size_t(a)] < names[std::size_t(b)];
}

void Ranking::renew(std::size_t block, const Names& names) {
  const std::size_t end = std::min(scores_.size(), (block + 1) * kBlock);
  int best = -1;
  for (std::size_t slot = block * kBlock; slot < end; ++slot)
    if (better(int(slot), best, names)) best = int(slot);
  best_[block] = best;
}

void Ranking::assign(std::vector<Score> scores, const Names& names) {
  scores_ = std::move(scores);
  ranked_ = std::size_t(std::ranges::count_if(scores_, [](Score s) { return s != kNone; }));
  best_.resize((scores_.size() + kBlock - 1) / kBlock);
  for (std::size_t block = 0; block < best_.size(); ++block) renew(block, names);
}

void Ranking::grow(std::size_t slots) {
  scores_.resize(slots, kNone);
  best_.resize((slots + kBlock - 1) / kBlock, -1);
}

void Ranking::set(int slot, Score score, const Names& names) {
  const std::size_t block = std::size_t(slot) / kBlock;
  ranked_ += std::size_t(score != kNone) - std::size_t(scores_[std::size_t(slot)] != kNone);
  scores_[std::size_t(slot)] = score;
  if (best_[block] == slot)
    renew(block, names);
  else if (better(slot, best_[block], names))
    best_[block] = slot;
}

int Ranking::best(const Names& names, const std::function<bool(int)>& admits, bool* refused) const {
  *refused = false;
  int found = -1;
  const auto consider = [&](int slot) {
    if (!better(slot, found, names)) return false;
    if (!admits || admits(slot)) return found = slot, true;
    return *refused = true, false;
  };
  for (std::size_t block = 0; block < best_.size(); ++block) {
    const int first = best_[block];
    if (!better(first, found, names) || consider(first)) continue;
    const std::size_t end = std::min(scores_.size(), (block + 1) * kBlock);
    for (std::size_t slot = block * kBlock; slot < end; ++slot)
      if (int(slot) != first) (void)consider(int(slot));
  }
  return found;
}

}  // namespace ingot::scheduler
