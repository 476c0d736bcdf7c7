#include "gpu/mig_starts.h"

#include <bit>

namespace ingot::gpu {
namespace {

// What one request later counts less: soon enough some of what a board holds has ended, and all is different.
constexpr double kLater = 0.8;

}  // namespace

Starts::Starts(int geometry, std::span<const double> demand, double whole)
    : worth_(kCuts), loss_(demand.size() * kCuts), best_(demand.size() * kCuts, -1) {
  const std::span<const Profile> all = profiles(geometry);
  const int units = memory_units(geometry);
  double total = whole;
  for (const double d : demand) total += d;
  // More taken is a larger index: what a cut becomes is known before it.
  for (std::size_t i = kCuts; i-- > 0;) {
    const Cut cut{UnitMask(i), i >= 256};
    double fit = 0, sum = 0;
    for (std::size_t p = 0; p < demand.size(); ++p) {
      const double gain = 1000.0 * all[p].units / units;
      float most = -1;
      for (unsigned starts = free_starts(all[p], cut); starts != 0; starts &= starts - 1) {
        const int start = std::countr_zero(starts);
        const float then =
            worth_[index({UnitMask(cut.taken | all[p].at(start)), cut.media || all[p].media()})];
        if (then <= most) continue;
        most = then;
        best_[p * kCuts + i] = int8_t(start);
      }
      loss_[p * kCuts + i] = most;  // for now: what it then is worth
      if (most < 0) continue;
      fit += demand[p];
      sum += demand[p] * (gain + kLater * double(most));
    }
    if (i == 0) {
      fit += whole;
      sum += whole * 1000.0;
    }
    worth_[i] = fit > 0 ? float(sum / (total - kLater * (total - fit))) : 0.0f;
    for (std::size_t p = 0; p < demand.size(); ++p)
      loss_[p * kCuts + i] = best_[p * kCuts + i] < 0 ? 0.0f : worth_[i] - loss_[p * kCuts + i];
  }
}

}  // namespace ingot::gpu
