// What queues hold, and held lately, as their objects' status: used and decayed, of Queues, and of the Tenants whose own
// leaf hangs below a queue with a half-life. So who held much lately still comes later after a restart.
//
// Thread rule: the loop. Invariants: an object is written at most once in kEvery, and only when what it says differs;
// an average that follows from the one written and what was held since does not differ: at rest nothing is written.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controllers/plan.h"
#include "scheduler/model.h"
#include "store/shard.h"

namespace ingot::controllers {

class UsageBook {
 public:
  static constexpr Duration kEvery = std::chrono::seconds(10);

  explicit UsageBook(scheduler::Model& model) : model_(model) {}

  // A Queue or a Tenant; `leaf`: the queue of the model that it is. nullptr: it is gone.
  void load(const Key&, std::string leaf, const Json*);
  void restore(WallTime now);  // into the model, once all that is held is known
  void advance(WallTime now);  // before what is held changes
  // Writes what it may; none: all is written, else how long until there is more to do.
  std::optional<Duration> write(store::Turn&, WallTime now);
  void clear();

 private:
  struct Line {
    std::string leaf;
    bool queue = false;  // else a tenant
    // As written.
    Json used;
    std::optional<scheduler::Averages> decayed;
    WallTime at{};
  };
  Json used(const std::string& leaf) const;
  // What follows for now from what is written.
  scheduler::Averages expected(const Line&, Duration half_life, WallTime now) const;
  bool differs(const Line&, WallTime now) const;
  bool write(store::Turn&, const Key&, Line&, WallTime now);

  scheduler::Model& model_;
  std::map<Key, Line> lines_;
  std::vector<Key> due_;  // of a round that is under way
  std::optional<WallTime> advanced_, round_;
  std::optional<uint64_t> seen_;  // the tree's usage_version at the last round; none: look again
};

}  // namespace ingot::controllers
