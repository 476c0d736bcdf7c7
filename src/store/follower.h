// Follows parts of a shard: which keys changed since somebody last looked, handed over inside a turn, a batch at a
// time, first those that changed first. The objects are read from that turn, so whoever follows never works on what is
// not the newest.
//
// Thread rule: the loop. Invariants: nothing is handed over before every live object in the scopes is known; a changed
// key is handed over at least once after its change; when a commit fails (what was read may not have happened) or a
// watch ends, `reset` is called and everything comes again from the start. At most one input is queued.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "store/shard.h"

namespace ingot::store {

struct FollowerOptions {
  std::vector<Scope> scopes;
  size_t keys_per_turn = 1'000;
  Shard::Kind kind = Shard::Kind::Writes;
};

inline constexpr size_t kFewKeys = 32;  // for who must not hold a turn for long

// For who keeps books of what happened: nobody waits for it.
inline FollowerOptions later(std::vector<Scope> scopes) {
  return {std::move(scopes), kFewKeys, Shard::Kind::Later};
}

class Follower {
 public:
  struct Handler {
    virtual ~Handler() = default;
    // `changed` is in key order, empty when woken by wake(). `rest`: more keys wait for coming turns. Returns whether
    // to be called again though nothing changed.
    virtual bool follow(Turn&, const std::vector<Key>& changed, bool rest) = 0;
    virtual void reset() = 0;  // forget everything; it comes again
  };

  // `handler` outlives the follower.
  Follower(env::Env&, Shard&, FollowerOptions, Handler& handler);
  ~Follower();
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  void wake();                 // a call in a coming turn
  void wake_at(Instant when);  // of several wishes the earliest holds until it is granted

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace ingot::store
