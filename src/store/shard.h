// A shard: the turn loop, the live objects, the history and the file behind them.
//
// Inputs are drained in batches; each is a plain synchronous function over a Turn. At the end of a turn its writes go
// to the file in one transaction, off the loop; the next turns run meanwhile, their writes waiting for the next
// commit (at most one is in flight). What a turn wants to say leaves through Turn::then, once every revision it shows
// is durable. If a commit fails, everything not yet durable is forgotten: the shard reloads what is on disk and every
// waiting `then` gets the error.
//
// Nothing here holds the loop for long: a turn, the publishing of what a commit made durable and the telling of who
// waited for it stop after turn_time and go on after whatever else waits. Inputs that only read go before those that
// write, and those that nobody waits for come last, though never for good.
//
// Thread rule: everything here on the loop's thread; after open() all SQL runs in env.worker. Invariants: revisions
// grow with every write (a failed commit leaves a gap: its numbers are not given again); what a watcher or a `then`
// without error has seen is durable; live objects equal the replay of the file.
//
// The disk. All files are reached through the VFS env.disk names: PATH (a main database), PATH-wal, PATH-journal (only
// while a fresh file is made), and DIRECTORY/ballast (opened as SQLITE_OPEN_SUPER_JOURNAL). The connection holds the
// exclusive lock from open to close, so the write-ahead log needs no shared memory (a VFS of version 1 is enough) and
// a second process is refused. A commit is one transaction appended to PATH-wal and synced (synchronous=FULL);
// once the log is long enough it is copied into PATH, synced, and written from its start again. Temporary tables and
// sorting stay in memory. A simulated crash is: drop the worker's queued work, make every open file of the VFS fail,
// destroy the shard, lose what was not synced, open again.
//
// Fault points: store.commit.fail (nothing is written), store.commit.unsure (written, but reported as failed) and the
// planted bugs store.commit.skip_sync (acknowledged without a sync) and store.put.ignore_expect (a lost update).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/object.h"
#include "env/env.h"

namespace ingot::store {

using api::Json;
using api::Key;
using api::ObjectPtr;

// One write as watchers see it. For a delete `object` is the last state, stamped with the deletion's revision.
struct Change {
  ObjectPtr object;
  ObjectPtr before;  // nullptr on create
  bool deleted = false;
  Revision revision() const { return object->revision; }
};

// An append-only row beside the objects: audit and ledger. `unique`, when not empty, makes a second row of the same
// stream with it a no-op: a ledger row written twice counts once.
struct Row {
  std::string stream;  // "audit", "ledger"
  std::string unique;
  std::string cluster;  // for filtering; "" where it belongs to none
  WallTime at;
  std::string data;  // JSON
};
struct RowQuery {
  std::string stream;
  std::string cluster;                   // "" = all
  std::optional<WallTime> since, until;  // at >= since, at < until
  uint64_t after = 0;                    // sequence number, for paging
  int limit = 10'000;
};
struct StoredRow {
  uint64_t sequence;
  Row row;
};

using RowsDone = std::move_only_function<void(Result<std::vector<StoredRow>>)>;
using Done = std::move_only_function<void(const Result<void>&)>;
using Visit = std::function<bool(const ObjectPtr&)>;  // false stops

class Turn {
 public:
  // Reads see this turn's writes and all earlier ones, durable or not.
  virtual ObjectPtr get(const Key&) const = 0;
  // Objects whose key text starts with `prefix` and is greater than `after`, in key order.
  virtual void range(std::string_view prefix, std::string_view after, const Visit&) const = 0;
  // The same as of an earlier revision, from history; Expired when that is compacted.
  virtual Result<void> range_at(Revision, std::string_view prefix, std::string_view after,
                                const Visit&) const = 0;
  virtual Revision revision() const = 0;  // of the newest write read above
  virtual std::optional<std::string> meta(std::string_view name) const = 0;

  // Stamps metadata.resourceVersion and stages the write. `expect`: the revision the object must have now, Revision{0}
  // = it must not exist; Conflict (or AlreadyExists) otherwise. Returns what is stored.
  virtual Result<ObjectPtr> put(const Key&, Json object, std::optional<Revision> expect = std::nullopt) = 0;
  // The final state watchers see is the stored one. NotFound, Conflict.
  virtual Result<ObjectPtr> erase(const Key&, std::optional<Revision> expect = std::nullopt) = 0;
  // Erases every key below `prefix` (a deleted tenant): no more than `limit` a call; returns how many are left.
  virtual size_t erase_range(std::string_view prefix, size_t limit) = 0;
  virtual void append(Row) = 0;
  // A small fact of the shard itself: the factory's id, its pod range. Names starting with "store." are the store's.
  virtual void set_meta(std::string_view name, std::string value) = 0;

  // Runs `done` on the loop once `shows` and everything this input writes is durable, or with the error. `shows` is
  // the newest revision the answer depends on: the object's for a get, revision() for a list and for "not found". Order
  // of calls is kept among those that become ready together. A shard that is destroyed drops what still waits.
  virtual void then(Revision shows, Done done) = 0;

 protected:
  ~Turn() = default;
};

using Input = std::move_only_function<void(Turn&)>;

// Gets changes in revision order, on the loop, after they are durable. Must not call back into the shard except to
// submit or unwatch. `on_change` returning false ends the watch (a sink that is full): on_end follows.
struct Watcher {
  virtual ~Watcher() = default;
  virtual bool on_change(const Change&) = 0;
  virtual void on_revision(Revision) {}   // everything up to here has been seen: bookmarks
  virtual void on_end(const Error&) = 0;  // Expired: list again
};

// What a watch covers. Empty parts match everything: {} is the whole shard, {"", "pods"} every cluster's pods. With a
// node, of one resource what belongs to that node (api::node_of) or did until the change: a watch that is not meant
// costs a change nothing, however many nodes watch.
struct Scope {
  std::string cluster, resource, ns, node = {};
};

struct Options {
  std::string path;                                     // the SQLite file
  size_t turn_inputs = 256;                             // most inputs a turn drains
  Duration turn_time = std::chrono::microseconds(250);  // a turn or a round of publishing ends after this
  size_t queue_inputs = 16'384;                         // submit() refuses beyond (429 TooManyRequests)
  size_t history_changes = 50'000;                      // kept for watches and lists from an earlier revision
  size_t history_bytes = 256u << 20;
  size_t staged_writes =
      4'096;  // nothing that writes is taken while this much waits for the commit in flight, or
              // so many for being told of one
  size_t staged_bytes = 8u << 20;
  size_t wal_pages = 4'000;  // of 8 KiB: how long the write-ahead log gets before it is copied
  Duration bookmark_every = std::chrono::seconds(5);
  Duration retry_every = std::chrono::seconds(2);  // how often a full disk or a broken file is tried again
  size_t ballast_bytes =
      4u << 20;  // file freed when the disk is full, so that deletes still commit; 0 = none
};

struct Stats {
  Revision revision, durable;
  size_t objects = 0, watchers = 0, queued = 0;
  size_t history_bytes = 0;  // of memory, about
  uint64_t turns = 0, commits = 0, failed_commits = 0;
  bool disk_full = false;
};

class Shard {
 public:
  // Opens or creates the file, checks its format version, migrates, loads. Errors name the path and the way out:
  // a truncated or foreign file, a newer format, another process holding it, a read-only or full disk.
  static Result<std::unique_ptr<Shard>> open(env::Env&, Options);
  virtual ~Shard() = default;

  // Queues an input for a coming turn. One that only reads goes before all that write, though a turn that begins with
  // reads always takes a write too. One that may come later goes when nothing else waits, or else one a turn and no
  // more than an eighth of the time. TooManyRequests when the queue is full, ServiceUnavailable while the file is being
  // read again after a failed commit; the input is then not taken.
  enum class Kind : uint8_t { Writes, Reads, Later };
  virtual Result<void> submit(Input, Kind = Kind::Writes) = 0;

  // Changes after `from`; Revision{0} first delivers every live object in scope as a create (on the loop, before
  // later changes), then on_revision. Expired when `from` is before history, Timeout when it is a revision this shard
  // has not reached. The watcher is released on end/unwatch; nothing is called inline.
  virtual Result<uint64_t> watch(Scope, Revision from, std::shared_ptr<Watcher>) = 0;
  virtual void unwatch(uint64_t id) = 0;

  // Durable rows in sequence order.
  virtual void rows(RowQuery, RowsDone) = 0;

  // The durable value, from open() on.
  virtual std::optional<std::string> meta(std::string_view name) const = 0;

  // Runs `done` once everything submitted so far is durable and nothing is in flight. For shutdown.
  virtual void drain(Done) = 0;
  virtual Stats stats() const = 0;
};

}  // namespace ingot::store
