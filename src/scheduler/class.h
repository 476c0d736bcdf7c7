// A class of equal requests and its candidate table: every node's score for it, best first, kept up to date
// from the model's journal. Building a table looks at every node, using it only at those that changed.
// Internal to the room.
#pragma once

#include "scheduler/model.h"

namespace ingot::scheduler {

struct Class {
  using Score = uint64_t;  // smaller is better
  static constexpr Score kNone = UINT64_MAX;

  std::string text;
  Request request;
  size_t users = 0;
  uint64_t failed_gain = 0;  // Model::gains_ when no node was found for it
  std::shared_ptr<const std::string> reason;
  uint64_t explained_at = 0;  // journal position of `reason`
  bool lacks_room = false;    // it fails for what others hold, not for what the factory is

  // The best node's slot, or -1. `skip` is passed over; *skipped tells whether it would have been taken.
  int best(Model&, int skip, bool* skipped);
  bool eligible(const Model&, int slot) const;  // but for what is in use there
  void forget_table();
  size_t cells() const { return scores_.size(); }

 private:
  void catch_up(Model&);
  void rate(Model&, int slot, bool spec_changed);
  Score score(const Model&, int slot) const;

  struct Candidate {
    Score score;
    int slot;
  };
  std::vector<Score> scores_;      // by slot: the truth
  std::vector<uint8_t> eligible_;  // by slot
  std::vector<Candidate> heap_;    // may hold candidates whose score is no longer the truth
  uint64_t seen_ = 0;              // journal position
};

}  // namespace ingot::scheduler
