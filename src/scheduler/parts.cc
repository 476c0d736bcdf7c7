#include "scheduler/parts.h"

#include <algorithm>
#include <bit>
#include <tuple>

namespace ingot::scheduler {
namespace {

using gpu::BoardMask;

bool on(BoardMask mask, int board) { return (mask >> board & 1) != 0; }
bool free_whole(const Space& space, int board) { return space.free_milli[size_t(board)] == 1000; }
Shape one_of(SliceKind kind) { return {.gpus = 1, .slice = kind}; }

SlicePlace any_place(const Space& space, const Shape& shape, BoardMask within) {
  return first_place(space, shape, within);
}

Layout::Sides sides_of(Side side, const gpu::Links& links, const gpu::Islands& islands, int boards) {
  Layout::Sides out;
  out.fill(-1);
  for (int i = 0; i < boards; ++i) {
    if (side == Side::Board) out[size_t(i)] = int8_t(i);
    if (side == Side::Island) out[size_t(i)] = int8_t(islands.island_of(i));
    if (side != Side::Numa || links.numa[size_t(i)] < 0) continue;
    // By its first board, for there may be more NUMA nodes than a mask has bits.
    const auto first = std::find(links.numa.begin(), links.numa.end(), links.numa[size_t(i)]);
    out[size_t(i)] = int8_t(first - links.numa.begin());
  }
  return out;
}

// One way to begin, followed to its end.
class Try {
 public:
  Try(const Space& space, const Layout& layout, const Pick& pick) : space(space), l_(layout), pick_(pick) {
    places.resize(l_.parts.size());
    for (const Layout::Join& join : l_.joins) open_.push_back(join.any);
  }

  bool place(std::size_t part, BoardMask within) {
    const Layout::Devices& devices = l_.parts[part];
    const BoardMask mask = BoardMask(within & allowed(part));
    SlicePlace at = devices.kind ? pick_(space, one_of(devices.kind), mask) : whole(mask);
    if (at.board < 0) return false;
    if (devices.kind)
      put_slice(space, one_of(devices.kind), at);
    else
      take_whole(at.board);
    if (first_ < 0) first_ = at.board;
    for (std::size_t j = 0; j < l_.joins.size(); ++j) {
      if ((l_.joins[j].parts >> part & 1) == 0) continue;
      const BoardMask side = l_.joins[j].boards[size_t(l_.joins[j].sides[size_t(at.board)])];
      open_[j] = l_.joins[j].apart ? BoardMask(open_[j] & ~side) : side;
    }
    places[part].push_back(at);
    return true;
  }
  bool all(const std::vector<std::size_t>& group, BoardMask first) {
    for (const std::size_t part : group)
      while (int32_t(places[part].size()) < l_.parts[part].count)
        if (!place(part, first_ < 0 ? first : gpu::kAllBoards)) return false;
    return true;
  }
  void begin_group() { first_ = -1; }

  Space space;
  std::vector<std::vector<SlicePlace>> places;  // by part

 private:
  BoardMask allowed(std::size_t part) const {
    BoardMask mask = gpu::kAllBoards;
    for (std::size_t j = 0; j < l_.joins.size(); ++j)
      if (l_.joins[j].parts >> part & 1) mask &= open_[j];
    return mask;
  }

  // Beside those of its group that are there, else on the island with the fewest free.
  SlicePlace whole(BoardMask mask) const {
    std::array<int, kMaxGpus> others{};  // by island
    for (int b = 0; b < space.gpus; ++b) others[size_t(l_.islands[size_t(b)])] += free_whole(space, b);
    SlicePlace best;
    std::tuple<bool, int, int> least;
    for (int b = 0; b < space.gpus; ++b) {
      if (!on(mask, b) || !free_whole(space, b)) continue;
      const auto island = size_t(l_.islands[size_t(b)]);
      const bool far = first_ >= 0 && size_t(l_.islands[size_t(first_)]) != island;
      const std::tuple cost(far, others[island], b);
      if (best.board < 0 || cost < least) std::tie(best, least) = std::pair(SlicePlace{b, -1}, cost);
    }
    return best;
  }

  void take_whole(int board) {
    space.free_milli[size_t(board)] = 0;
    space.cuts[size_t(board)] = kNoCut;
  }

  const Layout& l_;
  const Pick& pick_;
  std::vector<BoardMask> open_;  // by join: where its next device may be
  int first_ = -1;               // board of the group's first device
};

// The sides that a group may lie on, by its finest rule: those without whole boards come first, so that these stay whole.
// Empty: nothing binds it to one.
std::vector<BoardMask> sides_for(const Space& space, const Layout& layout,
                                 const std::vector<std::size_t>& group) {
  const Layout::Join* finest = nullptr;
  for (const Layout::Join& j : layout.joins)
    if (!j.apart && (j.parts >> group.front() & 1) && (!finest || j.count > finest->count)) finest = &j;
  if (!finest) return {};
  std::vector<std::pair<int, BoardMask>> order;
  for (const BoardMask side : finest->boards) {
    if (side == 0) continue;
    int wholes = 0;
    for (int b = 0; b < space.gpus; ++b) wholes += on(side, b) && free_whole(space, b);
    order.emplace_back(wholes, side);
  }
  std::ranges::sort(order);
  std::vector<BoardMask> sides;
  for (const auto& [wholes, side] : order) sides.push_back(side);
  return sides.empty() ? std::vector<BoardMask>{0} : sides;  // none has what the rule goes by
}

bool place_group(Try& state, const Layout& layout, const std::vector<std::size_t>& group) {
  state.begin_group();
  const std::vector<BoardMask> sides = sides_for(state.space, layout, group);
  if (sides.empty()) return state.all(group, gpu::kAllBoards);
  for (const BoardMask side : sides) {
    Try attempt = state;
    if (!attempt.all(group, side)) continue;
    state.space = std::move(attempt.space);
    state.places = std::move(attempt.places);
    return true;
  }
  return false;
}

}  // namespace

Layout::Layout(const std::vector<Part>& asked, const std::vector<Rule>& rules, const gpu::Links& links,
               const gpu::Islands& all_islands, const std::array<int8_t, kMaxGpus>& geometries, int boards) {
  islands = sides_of(Side::Island, links, all_islands, boards);
  for (const Part& part : asked) {
    Devices devices{.count = int32_t(std::min<int64_t>(part.count, 1 << 20))};
    for (int i = 0; i < boards && !part.profile.empty() && !devices.kind; ++i)
      devices.kind = slice_kind(geometries[size_t(i)], part.profile);
    never |= !part.profile.empty() && !devices.kind;
    gpu_milli += Shape{.gpus = devices.count, .slice = devices.kind}.gpu_milli();
    parts.push_back(devices);
  }
  std::vector<std::size_t> group_of(parts.size());
  for (std::size_t p = 0; p < parts.size(); ++p) group_of[p] = p;
  for (const Rule& rule : rules) {
    Join& join = joins.emplace_back();
    join.parts = rule.parts;
    join.apart = rule.apart;
    join.sides = sides_of(rule.side, links, all_islands, boards);
    for (int b = 0; b < boards; ++b)
      if (const int8_t side = join.sides[size_t(b)]; side >= 0) {
        join.count += join.boards[size_t(side)] == 0;
        join.boards[size_t(side)] |= BoardMask(1u << b);
        join.any |= BoardMask(1u << b);
      }
    std::size_t first = parts.size();
    for (std::size_t p = 0; p < parts.size(); ++p) {
      if ((rule.parts >> p & 1) == 0) continue;
      if (first == parts.size()) first = group_of[p];
      std::ranges::replace(group_of, std::size_t(group_of[p]), first);
    }
  }
  const auto order = [&](std::size_t p) {
    const SliceKind kind = parts[p].kind;
    return std::tuple(kind ? -kind.of().units : -1000, kind ? -kind.of().slices : 0, p);
  };
  for (std::size_t g = 0; g < parts.size(); ++g) {
    std::vector<std::size_t> members;
    for (std::size_t p = 0; p < parts.size(); ++p)
      if (group_of[p] == g) members.push_back(p);
    std::ranges::sort(members, {}, order);
    if (!members.empty()) groups.push_back(std::move(members));
  }
  std::ranges::sort(groups, {}, [&](const auto& group) { return order(group.front()); });
}

std::optional<std::vector<SlicePlace>> lay_out(Space& space, const Layout& layout, const Pick& pick) {
  if (layout.never) return std::nullopt;
  Try state(space, layout, pick);
  for (const std::vector<std::size_t>& group : layout.groups)
    if (!place_group(state, layout, group)) return std::nullopt;
  space = std::move(state.space);
  std::vector<SlicePlace> out;
  for (const auto& places : state.places) out.insert(out.end(), places.begin(), places.end());
  return out;
}

std::optional<std::vector<SlicePlace>> lay_out(Space& space, const Layout& layout) {
  static const Pick kAny = any_place;
  return lay_out(space, layout, kAny);
}

}  // namespace ingot::scheduler
