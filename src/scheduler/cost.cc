#include "scheduler/cost.h"

#include <cstddef>

namespace ingot::scheduler {
namespace {

int64_t per_mille(int64_t part, int64_t whole) {
  return whole > 0 ? int64_t(double(part) / double(whole) * 1000.0) : 0;
}

uint64_t mixed(uint64_t x) {  // splitmix64
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

void Costs::set(PlacementCost kind, uint64_t seed) {
  if (kind_ == kind && seed_ == seed) return;
  kind_ = kind;
  seed_ = seed;
  ++version_;
}

Cost Costs::cost(const Space& space, const Shape& shape, int* gpu) const {
  if (gpu) *gpu = -1;
  if (!fits(space, shape)) return kNoCost;
  int64_t left = 0;
  int best = -1;
  for (int g = 0; g < space.gpus; ++g) {
    const int16_t free = space.free_milli[size_t(g)];
    left += free;
    if (shape.gpus > 0 && free >= shape.milli && (best < 0 || free < space.free_milli[size_t(best)]))
      best = g;
  }
  if (gpu && shape.milli < 1000) *gpu = best;
  if (kind_ == PlacementCost::Random) {
    uint64_t x = seed_ ^ uint64_t(space.cpu_milli * 1'000'003 + space.memory_mib);
    for (int g = 0; g < space.gpus; ++g) x = mixed(x + uint64_t(space.free_milli[size_t(g)]));
    return Cost(mixed(x) >> 20);
  }
  left -= shape.gpu_milli();
  const int64_t rest = per_mille(space.cpu_milli - shape.cpu_milli, space.cpu_milli_total) +
                       per_mille(space.memory_mib - shape.memory_mib, space.memory_mib_total);
  return left << 16 | rest;
}

}  // namespace ingot::scheduler
