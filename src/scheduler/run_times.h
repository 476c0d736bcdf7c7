// How long work runs, learnt from the work itself: what ended, and what runs and has not ended yet, which tells
// as much. From it the Gittins index: whom to run first when nobody says how long anything takes, so that work is
// done soonest on average (Gittins 1979; for clusters: "Tiresias", NSDI 2019).
//
// What is learnt is a hazard for each step of run time, half an octave: of the work that got there, the part that
// ended there (Kaplan and Meier 1958). It is learnt at three levels, each the assumption of the next where that has shown
// little: all work; its kind, work of as many GPUs up to the next power of two; and its neighbours, the few units of
// as many GPUs that were submitted next to it, for work comes in batches that run alike. Where nothing is known
// half of what ran for t ends before 2t, as of heavy-tailed work. Old evidence fades.
//
// Thread rule: one thread at a time. Invariants: the same events in the same order give the same ranks; ranks are
// finite and above 0; memory is bounded by the units that have not ended.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/time.h"

namespace ingot::scheduler {

class RunTimes {
 public:
  RunTimes();
  // The unit, submitted at `created`, has run for so long, all its starts together.
  void seen(std::string_view unit, int64_t gpus, WallTime created, Duration attained);
  void ended(std::string_view unit, Duration attained);
  void forget(std::string_view unit);  // it will not end by itself: it was withdrawn

  // GPU-seconds that are spent on such work for one that ends, at best: the smaller the sooner.
  double rank(std::string_view unit, int64_t gpus, Duration attained) const;
  // The rank of what has run so long does not grow before it has run that long.
  static Duration until(Duration attained);

 private:
  static constexpr size_t kSteps = 2 * 33;  // the last one begins at 136 years
  static constexpr size_t kKinds = 24;
  // How many cases an assumption counts for.
  static constexpr double kPrior = 1, kKindPrior = 4, kNearPrior = 1;
  static constexpr double kMemory = 10'000;  // ended units after which all evidence counts half
  static constexpr int kNeighbours = 8;      // on either side
  static constexpr Duration kNear = std::chrono::hours(1);
  using Steps = std::array<double, kSteps>;
  struct Evidence {
    Steps reached{}, ended{};
    Steps hazard(const Steps& assumed, double cases) const;
  };
  struct Kind {
    Evidence evidence;
    Steps hazard{};
  };
  struct Entry {
    WallTime created;
    size_t kind = 0;
    int step = -1;
    bool open = true;
    // What rank() found last, and of what.
    mutable double index = 0;
    mutable int index_step = -1;
    mutable uint64_t index_version = 0;
  };
  using Line = std::map<uint64_t, Entry>;  // by order of arrival
  struct Place {
    int64_t gpus;
    Line* line;
    Line::iterator at;
  };
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  static size_t step(Duration attained);
  static size_t kind(int64_t gpus);
  static double index(const Steps& hazard, size_t from);
  static void touch(Line&, Line::iterator);
  static void prune(Line&);
  template <class Visit>
  static void neighbours(const Line&, Line::const_iterator, Visit);
  void reach(Line&, Line::iterator, size_t step);
  void fade();
  void derive() const;

  Evidence all_;
  mutable std::array<Kind, kKinds> kinds_;
  mutable uint64_t version_ = 1;  // of what is derived from all_ and kinds_
  mutable double cases_ = 0, derive_at_ = 0;
  double ended_ = 0;
  std::map<int64_t, Line> lines_;                                       // by GPUs
  std::unordered_map<std::string, Place, Hash, std::equal_to<>> open_;  // for look-ups only
  uint64_t next_ = 0;
};

}  // namespace ingot::scheduler
