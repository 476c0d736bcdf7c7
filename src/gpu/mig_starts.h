// Where a new MIG instance should start, so that the board stays as useful as it can be to what is asked for next.
//
// The worth of a cut is what it is expected to admit, in GPU-milli, of requests that come one after the other as
// the demand says, each put where most is left, and those that come later counting less. By dynamic programming
// over all cuts; running instances never move.
//
// Thread rule: none; a value. Invariants: the same demand gives the same answers.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "gpu/mig.h"

namespace ingot::gpu {

class Starts {
 public:
  Starts() = default;
  // `demand`: per profile of the geometry, how often it is asked for; `whole`: how often the whole board is.
  Starts(int geometry, std::span<const double> demand, double whole);

  // The start that leaves most; -1: there is none.
  int best(Cut cut, int profile) const { return best_[at(cut, profile)]; }
  // What the board is worth less afterwards, in GPU-milli. Only where best() gives a start.
  float loss(Cut cut, int profile) const { return loss_[at(cut, profile)]; }
  float worth(Cut cut) const { return worth_[index(cut)]; }
  bool empty() const { return worth_.empty(); }

 private:
  static constexpr std::size_t kCuts = 512;
  static std::size_t index(Cut cut) { return std::size_t(cut.taken) | (cut.media ? 256u : 0u); }
  std::size_t at(Cut cut, int profile) const { return std::size_t(profile) * kCuts + index(cut); }

  std::vector<float> worth_, loss_;
  std::vector<int8_t> best_;
};

}  // namespace ingot::gpu
