// A class of equal requests and its candidate table: every node's score for it, kept up to date from the model's
// journal. Building a table looks at every node, using it only at those that changed. Internal to the room.
#pragma once

#include <functional>

#include "scheduler/model.h"
#include "scheduler/ranking.h"

namespace ingot::scheduler {

struct Class {
  using Score = Ranking::Score;

  Class(Request, std::string_view tenant, std::string text);

  std::string text;
  Request request;
  std::string tenant;  // one of those who ask for it; all of them get the same answers
  size_t users = 0;
  uint64_t failed_gain = 0;  // Model::gains_ when no node was found for it
  std::shared_ptr<const std::string> reason;
  uint64_t explained_at = 0;  // journal position of `reason`
  bool lacks_room = false;    // it fails for what others hold, not for what the factory is

  using Admits = std::function<bool(int slot)>;
  // The best admitted node's slot, or -1; then *refused tells whether it fits others.
  int best(Model&, const Admits& admits, bool* refused);
  // Every node that it fits now, and that `admits`, with its score.
  std::vector<std::pair<Score, int>> candidates(Model&, const Admits& admits);
  bool eligible(const Model&, int slot) const;  // but for what is in use there
  bool fits_now(const Model&, int slot) const;
  // The request in that node's numbers, and what is free there for who asks.
  Shape shape(const Model&, int slot) const;
  Space space(const Model&, int slot) const;
  // For how many GPUs, shares or instances such as it asks for there is room; `empty`: with nothing held.
  int64_t places(const Model&, int slot, bool empty) const;
  bool cuts(const Model&, int slot) const;    // its pool's boards may be cut
  static bool mixes(const Model&, int slot);  // its pool's boards may be shared by several tenants
  // What it takes of a node where it fits `open`, what it may take of it.
  std::vector<Held> take(const Model&, int slot, const Space& open, gpu::BoardMask within) const;
  void forget_table();
  size_t fitting() const { return ranking_.ranked(); }  // nodes, when it was last asked for the best

 private:
  void catch_up(Model&);
  Score rate(Model&, int slot, bool spec_changed, Costs::Row*);
  Score score(Model&, int slot, Costs::Row*) const;

  std::optional<Shape> shape_;  // where it is the same on all nodes
  bool anywhere_ = false;       // it constrains nothing
  uint64_t tenant_ = 0;         // its number when the table was made
  Ranking ranking_;
  std::vector<uint8_t> eligible_;  // by slot
  uint64_t seen_ = 0;              // journal position
  uint64_t costs_ = 0;             // version of the costs that the scores are of
};

}  // namespace ingot::scheduler
