// Says a little later what happened: Events that nobody waits for, written when the shard has nothing better to do
// (Kind::Later), a few an input. As everywhere with Events, a crash or a commit that fails can lose those of the last
// moment.
//
// Thread rule: the loop. At most kMost wait; what comes then is said at once, in the turn of who says it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "api/object.h"
#include "env/env.h"
#include "store/shard.h"

namespace ingot::controllers {

// That a pod was given its node: Event Scheduled.
struct Announcement {
  api::Key pod;
  std::string uid;
  std::string message;
  WallTime at;
};

class Announcer {
 public:
  static constexpr size_t kMost = 20'000;

  Announcer(env::Env&, store::Shard&);
  ~Announcer();
  Announcer(const Announcer&) = delete;
  Announcer& operator=(const Announcer&) = delete;

  void say(store::Turn&, Announcement);
  void clear();  // some of it may not have happened

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // weakly held by what waits in the shard
};

}  // namespace ingot::controllers
