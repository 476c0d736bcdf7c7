#include "gpu/islands.h"

#include <algorithm>
#include <bit>
#include <tuple>
#include <utility>

#include "base/assert.h"

namespace ingot::gpu {
namespace {

int size(BoardMask mask) { return std::popcount(mask); }
BoardMask bit(int position) { return BoardMask(1u << position); }

BoardMask lowest(BoardMask mask, int count) {
  BoardMask out = 0;
  for (; count > 0; --count, mask = BoardMask(mask & (mask - 1))) out |= BoardMask(mask & -mask);
  return out;
}

// The set that holds `count` of the free boards with the fewest left over; nullptr if none does.
template <class Set, class Boards>
const Set* tightest(const std::vector<Set>& sets, BoardMask free, int count, Boards boards) {
  const Set* best = nullptr;
  int least = kMaxBoards + 1;
  for (const Set& set : sets) {
    const int n = size(BoardMask(boards(set) & free));
    if (n < count || n >= least) continue;
    least = n;
    best = &set;
  }
  return best;
}

// Set by set, the fullest first, until one holds what is still wanted; that one is the tightest.
template <class Set, class Boards, class Take>
BoardMask fullest_first(const std::vector<Set>& sets, BoardMask free, int count, Boards boards, Take take) {
  BoardMask out = 0;
  while (count > 0) {
    if (const Set* last = tightest(sets, free, count, boards))
      return BoardMask(out | take(BoardMask(boards(*last) & free), count));
    const auto most = std::ranges::max_element(
        sets, {}, [&](const Set& set) { return size(BoardMask(boards(set) & free)); });
    const BoardMask all = BoardMask(boards(*most) & free);
    out |= all;
    free &= BoardMask(~all);
    count -= size(all);
  }
  return out;
}

constexpr auto kItself = [](BoardMask mask) { return mask; };
constexpr auto kBoards = [](const auto& island) { return island.boards; };

}  // namespace

Links links_of(const std::vector<Board>& boards) {
  Links out;
  out.boards = int(std::min<size_t>(boards.size(), kMaxBoards));
  for (int i = 0; i < out.boards; ++i) {
    const Board& board = boards[size_t(i)];
    out.numa[size_t(i)] = int8_t(std::clamp(board.numa_node, -1, 127));
    for (const int peer : board.nvlink_peers)
      if (peer >= 0 && peer < out.boards && peer != i) out.peers[size_t(i)] |= bit(peer);
  }
  return out;
}

Islands::Islands(const Links& links) : peers_(links.peers) {
  ASSERT(links.boards >= 0 && links.boards <= kMaxBoards);
  const BoardMask all = BoardMask((1u << links.boards) - 1);
  for (int i = 0; i < links.boards; ++i)
    for (BoardMask rest = peers_[size_t(i)] & all; rest; rest &= BoardMask(rest - 1))
      peers_[size_t(std::countr_zero(rest))] |= bit(i);  // a link has two ends, also where only one tells
  for (BoardMask rest = all; rest;) {
    Island island{.boards = BoardMask(rest & -rest)};
    for (BoardMask before = 0; before != island.boards;) {
      before = island.boards;
      for (int i = 0; i < links.boards; ++i)
        if (before & bit(i)) island.boards |= BoardMask(peers_[size_t(i)] & all);
    }
    for (int i = 0; i < links.boards; ++i)
      if (island.boards & bit(i)) island.joins_all &= (peers_[size_t(i)] | bit(i) | ~island.boards) == ~0;
    rest &= BoardMask(~island.boards);
    for (int i = 0; i < links.boards; ++i)
      if (island.boards & bit(i)) place_[size_t(i)] = int8_t(islands_.size());
    islands_.push_back(island);
  }
  for (int i = 0; i < links.boards; ++i) {
    BoardMask same = 0;
    for (int j = 0; j < links.boards; ++j)
      if (links.numa[size_t(j)] == links.numa[size_t(i)]) same |= bit(j);
    if (std::ranges::find(numa_, same) == numa_.end()) numa_.push_back(same);
  }
}

BoardMask Islands::pick(BoardMask free, int count, bool one_island) const {
  ASSERT(count >= 0);
  BoardMask known = 0, alone = 0;
  for (const Island& island : islands_) {
    known |= island.boards;
    if (size(island.boards) == 1) alone |= island.boards;
  }
  free &= known;
  if (count == 0 || size(free) < count) return 0;
  const Island* island = tightest(islands_, free, count, kBoards);
  if (!island) return one_island ? BoardMask(0) : across(free, count);
  if (island->boards & alone) return across(BoardMask(alone & free), count);
  return inside(*island, BoardMask(island->boards & free), count);
}

BoardMask Islands::inside(const Island& island, BoardMask free, int count) const {
  return fullest_first(numa_, free, count, kItself, [&](BoardMask from, int n) {
    return island.joins_all ? lowest(from, n) : closest(from, n);
  });
}

// NUMA nodes first, and in the last of them few islands.
BoardMask Islands::across(BoardMask free, int count) const {
  return fullest_first(numa_, free, count, kItself, [&](BoardMask from, int n) {
    return fullest_first(islands_, from, n, kBoards, [&](BoardMask part, int last) {
      return inside(islands_[size_t(place_[size_t(std::countr_zero(part))])], part, last);
    });
  });
}

// Where not all boards of an island are one hop apart: those with the most links among them, grown from each
// board in turn.
BoardMask Islands::closest(BoardMask free, int count) const {
  const auto links = [&](int position, BoardMask to) {
    return size(BoardMask(peers_[size_t(position)] & to));
  };
  BoardMask best = 0;
  int most = -1;
  for (BoardMask seeds = free; seeds; seeds &= BoardMask(seeds - 1)) {
    BoardMask chosen = BoardMask(seeds & -seeds);
    int sum = 0;
    while (size(chosen) < count) {
      int next = -1;
      for (BoardMask rest = BoardMask(free & ~chosen); rest; rest &= BoardMask(rest - 1))
        if (const int i = std::countr_zero(rest); next < 0 || links(i, chosen) > links(next, chosen))
          next = i;
      sum += links(next, chosen);
      chosen |= bit(next);
    }
    if (sum > most) std::tie(best, most) = std::pair(chosen, sum);
  }
  return best;
}

int Islands::largest(BoardMask free) const {
  int most = 0;
  for (const Island& island : islands_) most = std::max(most, size(BoardMask(island.boards & free)));
  return most;
}

int Islands::groups(BoardMask free, int count) const {
  ASSERT(count >= 1);
  int sum = 0;
  for (const Island& island : islands_) sum += size(BoardMask(island.boards & free)) / count;
  return sum;
}

int Islands::parts(BoardMask taken) const {
  return int(std::ranges::count_if(islands_, [&](const Island& i) { return (i.boards & taken) != 0; }));
}

int Islands::island_of(int position) const {
  return std::countr_zero(islands_[size_t(place_[size_t(position)])].boards);
}

bool Islands::joins_all(int position) const { return islands_[size_t(place_[size_t(position)])].joins_all; }

}  // namespace ingot::gpu
