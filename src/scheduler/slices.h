// MIG instances in a space: where one more fits, and what taking and giving back leave. Pure; any thread.
// Invariant: a board with instances shows 0 free milli; one without either shows 1000 free milli and an empty cut,
// or nothing of it is for instances.
#pragma once

#include <string_view>

#include "gpu/islands.h"
#include "scheduler/shape.h"

namespace ingot::scheduler {

inline constexpr gpu::Cut kNoCut{0xff, true};  // of a board that may not be cut

// Where an instance, or a share of one, goes.
struct SlicePlace {
  int board = -1;
  int start = -1;
  bool joins = false;  // a share of an instance that is there
  bool operator==(const SlicePlace&) const = default;
};

SliceKind slice_kind(int geometry, std::string_view profile);  // none: the board has no such profile
Space emptied(Space);                                          // with every board free
// Where an instance of that kind may start on the board.
gpu::UnitMask starts_on(const Space&, int board, SliceKind);
// Of a share: the instance it may join that is left with least, none: board -1.
SlicePlace joinable(const Space&, const Shape&);
// Of all places one on the board with the fewest; for looking ahead, where any will do.
SlicePlace first_place(const Space&, const Shape&, gpu::BoardMask within = gpu::kAllBoards);
// How many instances (of a share: places for one) the space has for the shape, whatever it asks for of them.
int64_t slice_places(const Space&, const Shape&);
// Takes one instance, or one share.
void put_slice(Space&, const Shape&, SlicePlace);
// Gives back what was held of one.
void release_slice(Space&, int board, SliceKind, int start, int32_t milli);

}  // namespace ingot::scheduler
