// Lets Events go: an hour after they were last written, as Kubernetes does (--event-ttl), and of a cluster's Events the
// oldest once there are too many, so that neither a burst nor a tenant fills the memory of all.
//
// Thread rule: the loop. Invariants: no more than kMost of a cluster stay, but for those of the last moment; what it
// remembers can be read again from the Events.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/text_map.h"
#include "base/time.h"
#include "env/env.h"
#include "store/follower.h"

namespace ingot::controllers {

class EventKeeper final : store::Follower::Handler {
 public:
  static constexpr size_t kMost = 5'000;  // of a cluster, 5 MiB

  EventKeeper(env::Env&, store::Shard&);

 private:
  struct Kept {
    api::Key key;
    WallTime since;
  };
  using Age = std::map<Revision, Kept>;  // the order of revisions is that of time

  bool follow(store::Turn&, const std::vector<api::Key>& changed, bool rest) override;
  void reset() override;
  void note(const store::Turn&, const api::Key&, WallTime now);
  void forget(const api::Key&);
  bool erase(store::Turn&, const api::Key&);
  bool is_due(WallTime now) const;

  env::Env& env_;
  Age all_;
  HashMap<Revision> newest_;  // by key
  std::map<std::string, std::set<Revision>, std::less<>> clusters_;
  std::set<std::string> crowded_;  // clusters that have too many
  bool loaded_ = false;
  store::Follower follower_;
};

}  // namespace ingot::controllers
