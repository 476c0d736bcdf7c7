// Which of a node's boards to take together: boards that NVLink joins, else boards of one NUMA node, and always
// so that the larger islands stay whole for who needs them. Boards are bits of a mask, by position. Plain values;
// any thread. The same masks give the same answer.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "gpu/inventory.h"

namespace ingot::gpu {

inline constexpr int kMaxBoards = 16;
using BoardMask = uint16_t;
inline constexpr BoardMask kAllBoards = 0xffff;

// How the boards of one node are joined.
struct Links {
  int boards = 0;                             // ≤ kMaxBoards
  std::array<BoardMask, kMaxBoards> peers{};  // one NVLink or NVSwitch hop away
  std::array<int8_t, kMaxBoards> numa{};      // -1: not known, which counts as one more NUMA node
  bool operator==(const Links&) const = default;
};
Links links_of(const std::vector<Board>&);  // the first kMaxBoards

class Islands {
 public:
  explicit Islands(const Links& = {});

  // `count` of the free boards, or 0 if there are not as many, or, with `one_island`, not as many in one island.
  // One island if one has as many: the one with the fewest free, and there one NUMA node if possible. Else one
  // NUMA node if possible and few islands.
  BoardMask pick(BoardMask free, int count, bool one_island = false) const;

  int largest(BoardMask free) const;            // most free boards in one island
  int groups(BoardMask free, int count) const;  // groups of `count` ≥ 1 boards, each in one island
  int parts(BoardMask taken) const;             // islands that the boards lie in
  // By position: the lowest position of its island. A board without links is an island of its own.
  int island_of(int position) const;
  bool joins_all(int position) const;  // every two boards of its island are one hop apart

  bool operator==(const Islands&) const = default;

 private:
  struct Island {
    BoardMask boards = 0;
    bool joins_all = true;
    bool operator==(const Island&) const = default;
  };
  BoardMask inside(const Island&, BoardMask free, int count) const;
  BoardMask across(BoardMask free, int count) const;
  BoardMask closest(BoardMask free, int count) const;

  std::vector<Island> islands_;  // by lowest board
  std::vector<BoardMask> numa_;  // by lowest board
  std::array<BoardMask, kMaxBoards> peers_{};
  std::array<int8_t, kMaxBoards> place_{};  // by position, in islands_
};

}  // namespace ingot::gpu
