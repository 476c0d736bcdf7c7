#include "scheduler/spare.h"

#include <algorithm>

#include "scheduler/slices.h"

namespace ingot::scheduler {
namespace {

const SharedSlice* find(const Space& space, int board, int start) {
  const auto found = std::ranges::find_if(
      space.shared, [&](const SharedSlice& s) { return s.board == board && s.start == start; });
  return found == space.shared.end() ? nullptr : &*found;
}

void charge_share(Space& spare, size_t board, int32_t milli) {
  int16_t& free = spare.free_milli[board];
  free = int16_t(std::max(0, free - milli));
  spare.cuts[board] = kNoCut;
}

void charge_whole(Space& spare, size_t board) {
  if (spare.free_milli[board] < 1000) {
    const auto other = std::ranges::find(spare.free_milli, int16_t(1000));
    if (other == spare.free_milli.end()) return;
    board = size_t(other - spare.free_milli.begin());
  }
  charge_share(spare, board, 1000);
}

void charge_slice(Space& spare, int board, const Shape& shape, int start) {
  const SharedSlice* joined = shape.share() ? find(spare, board, start) : nullptr;
  if (joined ? joined->free_milli >= shape.milli : (starts_on(spare, board, shape.slice) >> start & 1) != 0)
    put_slice(spare, shape, {board, start, joined != nullptr});
}

}  // namespace

Space both(Space now, const Space& spare) {
  now.cpu_milli = std::min(now.cpu_milli, spare.cpu_milli);
  now.memory_mib = std::min(now.memory_mib, spare.memory_mib);
  for (size_t g = 0; g < size_t(now.gpus); ++g) {
    now.free_milli[g] = std::min(now.free_milli[g], spare.free_milli[g]);
    now.cuts[g].taken |= spare.cuts[g].taken;
    now.cuts[g].media |= spare.cuts[g].media;
  }
  // An instance that is gone by then is not to be joined: it would stay.
  for (SharedSlice& s : now.shared) {
    const SharedSlice* later = find(spare, s.board, s.start);
    s.open = s.open && later && later->open && later->kind == s.kind;
    if (later) s.free_milli = std::min(s.free_milli, later->free_milli);
  }
  return now;
}

void charge(Space& spare, const NodeState& state, const Shape& shape, std::span<const Held> given) {
  spare.cpu_milli -= shape.cpu_milli;
  spare.memory_mib -= shape.memory_mib;
  for (const Held& h : given)
    for (size_t board = 0; board < size_t(spare.gpus); ++board) {
      if (state.node.devices[board].uuid != h.uuid) continue;
      Shape instance = shape;
      if (shape.layout) instance = {.gpus = 1, .slice = slice_kind(spare.geometries[board], h.profile)};
      if (instance.slice)
        charge_slice(spare, int(board), instance, h.start);
      else if (shape.milli < 1000)
        charge_share(spare, board, shape.milli);
      else
        charge_whole(spare, board);
    }
}

}  // namespace ingot::scheduler
