#include "scheduler/shape.h"

#include <cstddef>

#include "base/assert.h"
#include "scheduler/parts.h"
#include "scheduler/slices.h"

namespace ingot::scheduler {

int64_t Shape::gpu_milli(const Layout& layout) { return layout.gpu_milli; }

bool fits(const Space& space, const Shape& shape) {
  if (space.cpu_milli < shape.cpu_milli || space.memory_mib < shape.memory_mib) return false;
  if (shape.gpus == 0 && !shape.layout) return true;
  if ((shape.models >> space.model & 1) == 0) return false;
  if (shape.layout) {
    Space left = space;
    return lay_out(left, *shape.layout).has_value();
  }
  if (shape.slice) return slice_places(space, shape) >= shape.gpus;
  int32_t places = 0;
  for (int g = 0; g < space.gpus && places < shape.gpus; ++g)
    places += space.free_milli[std::size_t(g)] >= shape.milli ? 1 : 0;
  return places >= shape.gpus;
}

Space after(const Space& space, const Shape& shape, int gpu) {
  Space out = space;
  out.cpu_milli -= shape.cpu_milli;
  out.memory_mib -= shape.memory_mib;
  if (shape.layout) {
    const auto places = lay_out(out, *shape.layout);
    ASSERT(places);
    return out;
  }
  if (shape.gpus == 0) return out;
  if (shape.slice) {
    for (int32_t i = 0; i < shape.gpus; ++i) put_slice(out, shape, first_place(out, shape));
    return out;
  }
  if (shape.milli < 1000) {
    ASSERT(gpu >= 0 && gpu < space.gpus && space.free_milli[std::size_t(gpu)] >= shape.milli);
    out.free_milli[std::size_t(gpu)] = int16_t(out.free_milli[std::size_t(gpu)] - shape.milli);
    out.cuts[std::size_t(gpu)] = kNoCut;
    return out;
  }
  int32_t left = shape.gpus;
  for (int g = 0; g < space.gpus && left > 0; ++g)
    if (out.free_milli[std::size_t(g)] >= 1000) {
      out.free_milli[std::size_t(g)] = int16_t(out.free_milli[std::size_t(g)] - 1000);
      out.cuts[std::size_t(g)] = kNoCut;
      --left;
    }
  ASSERT(left == 0);
  return out;
}

}  // namespace ingot::scheduler
