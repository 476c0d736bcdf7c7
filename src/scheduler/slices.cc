#include "scheduler/slices.h"

#include <algorithm>
#include <bit>
#include <cstddef>

#include "base/assert.h"

namespace ingot::scheduler {
namespace {

using std::size_t;

auto find(std::vector<SharedSlice>& shared, int board, int start) {
  return std::ranges::find_if(shared,
                              [&](const SharedSlice& s) { return s.board == board && s.start == start; });
}

}  // namespace

SliceKind slice_kind(int geometry, std::string_view profile) {
  const auto all = gpu::profiles(geometry);
  const auto found = std::ranges::find(all, profile, &gpu::Profile::name);
  return found == all.end() ? SliceKind{} : SliceKind{int8_t(geometry), int8_t(found - all.begin())};
}

Space emptied(Space space) {
  for (int g = 0; g < space.gpus; ++g) {
    space.free_milli[size_t(g)] = 1000;
    space.cuts[size_t(g)] = {};
  }
  space.shared.clear();
  return space;
}

gpu::UnitMask starts_on(const Space& space, int board, SliceKind kind) {
  if (space.geometries[size_t(board)] != kind.geometry) return 0;
  return gpu::free_starts(kind.of(), space.cuts[size_t(board)]);
}

SlicePlace joinable(const Space& space, const Shape& shape) {
  const SharedSlice* best = nullptr;
  for (const SharedSlice& s : space.shared)
    if (s.open && s.kind == shape.slice && s.free_milli >= shape.milli &&
        (!best || s.free_milli < best->free_milli))
      best = &s;
  return best ? SlicePlace{best->board, best->start, true} : SlicePlace{};
}

SlicePlace first_place(const Space& space, const Shape& shape, gpu::BoardMask within) {
  if (shape.share())
    if (const SlicePlace joined = joinable(space, shape); joined.board >= 0) return joined;
  SlicePlace first;
  int fewest = 9;
  for (int g = 0; g < space.gpus; ++g) {
    const gpu::UnitMask starts = within >> g & 1 ? starts_on(space, g, shape.slice) : gpu::UnitMask(0);
    if (starts == 0 || std::popcount(starts) >= fewest) continue;
    fewest = std::popcount(starts);
    first = {g, std::countr_zero(starts)};
  }
  return first;
}

int64_t slice_places(const Space& space, const Shape& shape) {
  const gpu::Profile& profile = shape.slice.of();
  int64_t n = 0;
  if (shape.share())
    for (const SharedSlice& s : space.shared)
      if (s.open && s.kind == shape.slice) n += s.free_milli / shape.milli;
  const int64_t each = shape.share() ? 1000 / shape.milli : 1;
  for (int g = 0; g < space.gpus; ++g) {
    const int starts = std::popcount(starts_on(space, g, shape.slice));
    n += (profile.media() ? std::min(starts, 1) : starts) * each;
  }
  return n;
}

void put_slice(Space& space, const Shape& shape, SlicePlace place) {
  ASSERT(place.board >= 0 && place.board < space.gpus);
  if (place.joins) {
    const auto joined = find(space.shared, place.board, place.start);
    ASSERT(joined != space.shared.end() && joined->free_milli >= shape.milli);
    joined->free_milli -= shape.milli;
    return;
  }
  const gpu::Profile& profile = shape.slice.of();
  gpu::Cut& cut = space.cuts[size_t(place.board)];
  ASSERT(starts_on(space, place.board, shape.slice) >> place.start & 1);
  cut.taken |= profile.at(place.start);
  cut.media |= profile.media();
  space.free_milli[size_t(place.board)] = 0;
  if (!shape.share()) return;
  const SharedSlice made{int8_t(place.board), int8_t(place.start), shape.slice, true, 1000 - shape.milli};
  const auto before = std::ranges::find_if(space.shared, [&](const SharedSlice& s) {
    return std::pair(s.board, s.start) > std::pair(made.board, made.start);
  });
  space.shared.insert(before, made);
}

void release_slice(Space& space, int board, SliceKind kind, int start, int32_t milli) {
  if (milli < 1000) {
    const auto shared = find(space.shared, board, start);
    if (shared == space.shared.end()) return;  // nothing is known of it: its board stays taken
    if ((shared->free_milli += milli) < 1000) return;
    space.shared.erase(shared);
  }
  gpu::Cut& cut = space.cuts[size_t(board)];
  cut.taken &= gpu::UnitMask(~kind.of().at(start));
  if (kind.of().media()) cut.media = false;
  if (cut == gpu::Cut{}) space.free_milli[size_t(board)] = 1000;
}

}  // namespace ingot::scheduler
