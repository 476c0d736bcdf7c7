// Devices of several kinds, or such that must lie together or apart: what a request asks for, and where on a node it
// goes. Pure; any thread.
//
// The search is greedy but for the side (board, NUMA node, island) that a group of parts lies on, all of which are tried: so
// many devices as the node has at most are placed, each by one look at its boards. So it may miss a layout, but never takes
// one that breaks a rule.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gpu/islands.h"
#include "scheduler/slices.h"

namespace ingot::scheduler {

inline constexpr std::size_t kMaxParts = 32, kMaxRules = 16;  // of a request

// What devices of a node may have alike.
enum class Side : uint8_t { Board, Numa, Island };

// Devices of one kind, as a request asks for them.
struct Part {
  int64_t count = 1;
  std::string profile;  // "": whole GPUs
  bool operator==(const Part&) const = default;
};
// All devices of the parts are of one board (NUMA node, island); or no two of them are.
struct Rule {
  uint64_t parts = 0;  // bit per part
  Side side = Side::Board;
  bool apart = false;
  bool operator==(const Rule&) const = default;
};

// The same on a node, in its numbers.
struct Layout {
  using Sides =
      std::array<int8_t, kMaxGpus>;  // by board; -1: it has none, and no rule of that side holds for it
  struct Devices {
    SliceKind kind;  // none: whole
    int32_t count = 1;
  };
  struct Join {
    uint64_t parts = 0;
    Sides sides{};
    bool apart = false;
    std::array<gpu::BoardMask, kMaxGpus> boards{};  // by side
    gpu::BoardMask any = 0;                         // of some side
    int count = 0;                                  // sides
  };
  Layout(const std::vector<Part>&, const std::vector<Rule>&, const gpu::Links&, const gpu::Islands&,
         const std::array<int8_t, kMaxGpus>& geometries, int boards);

  std::vector<Devices> parts;
  std::vector<Join> joins;
  std::vector<std::vector<std::size_t>> groups;  // parts that joins link, the largest devices first
  Sides islands{};
  bool never = false;  // no board has the profile
  int64_t gpu_milli = 0;
};

// Where of the boards in the mask a MIG instance goes; board -1: nowhere.
using Pick = std::function<SlicePlace(const Space&, const Shape&, gpu::BoardMask)>;
// The board of every device, and its start (-1: all of it), part by part; none: there is no room. The space is what is
// left.
std::optional<std::vector<SlicePlace>> lay_out(Space&, const Layout&, const Pick&);
std::optional<std::vector<SlicePlace>> lay_out(Space&, const Layout&);

}  // namespace ingot::scheduler
