// Says a little later what happened: Events that nobody waits for, written when the shard has nothing better to do
// (Kind::Later), a few an input. As everywhere with Events, a crash can lose those of the last moment.
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

// Of a pod, from the scheduler.
struct Announcement {
  api::Key pod;
  std::string uid;
  std::string_view reason;  // of static storage
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
  void clear();  // what was to be told of did not happen

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // weakly held by what waits in the shard
};

}  // namespace ingot::controllers
