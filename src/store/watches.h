// Who watches what, and how far each has come.
//
// A watch is synced, and gets changes as they become durable, or behind: it still has objects of its first list or
// changes of history to see, which step() brings it in pieces. Thread rule: the loop's. Invariant: each watch sees
// every durable change of its scope after its cursor once, in revision order.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <functional>
#include <map>
#include <memory>

#include "base/text_map.h"
#include "store/memory.h"

namespace ingot::store {

class Watches {
 public:
  // `first`: what to deliver as creates before changes after `from`.
  uint64_t add(Scope, Revision from, std::shared_ptr<Watcher>, std::vector<ObjectPtr> first);
  void remove(uint64_t id);
  size_t size() const { return all_.size(); }

  // Everything up to `durable` may be seen now: delivers some of it, as long as `more()` says; false when there is more.
  bool publish(const Memory&, Revision durable, const std::function<bool()>& more);
  Revision published() const { return published_; }
  // One piece for one watch that is behind; false when there is none.
  bool step(const Memory&);
  size_t behind() const { return behind_.size(); }
  // Tells synced watches how far they are, where they do not know, as long as `more()` says; false when there are
  // others.
  bool bookmark(const std::function<bool()>& more);

  static bool covers(const Scope&, const Key&);
  static bool covers(const Scope&, const Change&);
  // The keys of a scope lie below this prefix, as far as one can say it.
  static std::string prefix(const Scope&);

 private:
  struct Watch {
    Scope scope;
    Revision cursor, told;
    std::shared_ptr<Watcher> watcher;
    std::vector<ObjectPtr> first;
    size_t first_seen = 0;
  };
  using WatchPtr = std::shared_ptr<Watch>;  // kept while it is called, which may remove it
  using Group = std::map<uint64_t, WatchPtr>;

  static std::string group(const Scope&);
  void publish(const Change&);
  void deliver(std::string_view group, const Change&);
  void deliver(std::string_view cluster, std::string_view resource, std::string_view node, const Change&);
  bool catch_up(uint64_t id, Watch&, const Memory&);
  void end(uint64_t id, Error);

  Group all_;
  Group behind_;
  boost::unordered_flat_map<std::string, Group, TextHash, std::equal_to<>>
      synced_;  // by "cluster/resource", either of them empty for every one, and "@node" where the scope has one
  uint64_t last_ = 0, stepped_ = 0, bookmarked_ = 0;
  Revision published_;
};

}  // namespace ingot::store
