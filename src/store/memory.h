// What a shard holds in memory: the live objects in key order, and the changes kept as history.
//
// Thread rule: one thread at a time. Invariants: history is in revision order and complete after compacted(); the
// live set is history replayed; a row of the log is doomed only when no watch, list or live object can need it.
#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <deque>
#include <set>
#include <vector>

#include "base/text_map.h"
#include "store/shard.h"

namespace ingot::store {

// A row of the log that compaction may delete, because of a change that history no longer holds.
struct Doomed {
  Revision row, change;
};

class Memory {
 public:
  Memory(size_t history_changes, size_t history_bytes)
      : history_changes_(history_changes), history_bytes_(history_bytes) {}

  // Loading, in revision order. `json` is nullptr for a deletion. Rows up to `compacted` make no history.
  void start(Revision compacted) { compacted_ = compacted; }
  void replay(Revision, std::string_view key, const std::string_view* json);

  ObjectPtr get(std::string_view key) const;
  size_t size() const { return live_.size(); }
  size_t count(std::string_view prefix) const;
  // `visit` may write: the walk goes on behind the key it was given.
  void range(std::string_view prefix, std::string_view after, const Visit&) const;
  // For `at` not after the newest change. Expired before compacted().
  Result<void> range_at(Revision at, std::string_view prefix, std::string_view after, const Visit&) const;

  void apply(Change);            // newer than all before
  void undo(Revision to);        // forgets every later change
  void compact(Revision until);  // forgets history up to `until` while there is more than the limits

  const std::deque<Change>& history() const { return history_; }
  size_t history_bytes() const { return bytes_; }            // of memory that history alone holds, about
  std::deque<Change>::const_iterator after(Revision) const;  // the first change later than it
  Revision compacted() const { return compacted_; }          // changes up to here are not in history
  std::deque<Doomed>& doomed() { return doomed_; }

  static Error expired(Revision asked, Revision oldest);

 private:
  struct Slot {
    mutable ObjectPtr object;  // replaced by one of the same key, so the order holds
  };
  struct ByKey {
    using is_transparent = void;
    static std::string_view key(const Slot& s) { return s.object->key.text(); }
    static std::string_view key(std::string_view s) { return s; }
    bool operator()(const auto& a, const auto& b) const { return key(a) < key(b); }
  };
  using Live = std::set<Slot, ByKey>;
  // With its hash, so that a table that grows looks at no object.
  struct Place {
    Live::const_iterator at;
    size_t hash;
  };
  struct SameKey {
    using is_transparent = void;
    static std::string_view key(const Place& p) { return ByKey::key(*p.at); }
    static std::string_view key(std::string_view s) { return s; }
    size_t operator()(const Place& p) const { return p.hash; }
    size_t operator()(std::string_view s) const { return TextHash()(s); }
    bool operator()(const auto& a, const auto& b) const { return key(a) == key(b); }
  };

  void place(const ObjectPtr&);
  void remove(std::string_view key);
  Live::const_iterator first(std::string_view prefix, std::string_view after) const;

  Live live_;
  boost::unordered_flat_set<Place, SameKey, SameKey> places_;  // all of live_, for one look at a key
  uint64_t edits_ = 0;  // how often live_ changed: a walk finds its place again
  std::deque<Change> history_;
  std::deque<Doomed> doomed_;
  Revision compacted_;
  size_t bytes_ = 0;  // held by history alone
  size_t history_changes_, history_bytes_;
};

// The last state of a deleted object as watchers see it: stamped with the deletion's revision.
ObjectPtr tombstone(const api::Object& last, Revision deleted_at);
// Sets metadata.resourceVersion and encodes.
ObjectPtr encode(const Key&, Json, Revision);

}  // namespace ingot::store
