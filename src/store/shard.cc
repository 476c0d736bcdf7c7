#include "store/shard.h"

#include <deque>

#include "base/assert.h"
#include "store/errors.h"
#include "store/file.h"
#include "store/inputs.h"
#include "store/memory.h"
#include "store/watches.h"

namespace ingot::store {
namespace {

// Compaction-only commits start when this many rows of the log are doomed and nothing else is to be written.
constexpr size_t kCompactAtRest = 4'096;
constexpr size_t kDoomedPerCommit = 512;  // beside two for each write, so that compaction outruns writing

// Writes of one commit and who waits for it.
struct Pending {
  Batch batch;
  Revision last;  // newest write
  std::vector<Done> waiting;
};

class Engine final : public Shard {
 public:
  Engine(env::Env& env, Options options, std::shared_ptr<File> file, Loaded loaded)
      : env_(env), options_(std::move(options)), file_(std::move(file)), memory_(std::move(loaded.memory)) {
    newest_ = assigned_ = durable_ = loaded.revision;
    next_sequence_ = loaded.next_sequence;
    meta_ = durable_meta_ = std::move(loaded.meta);
    watches_.publish(memory_, durable_, [] { return true; });
    memory_.compact(durable_);
    if (loaded.disk_full) enter_full();
  }

  Result<void> submit(Input, Kind) override;
  Result<uint64_t> watch(Scope, Revision from, std::shared_ptr<Watcher>) override;
  void unwatch(uint64_t id) override { watches_.remove(id); }
  void rows(RowQuery query, RowsDone done) override {
    scan(std::make_shared<const RowQuery>(std::move(query)), std::make_shared<RowScan>(), std::move(done));
  }
  std::optional<std::string> meta(std::string_view name) const override { return find(durable_meta_, name); }
  void drain(Done done) override {
    drains_.push_back(std::move(done));
    settle_drains();
  }
  Stats stats() const override;

 private:
  class Step;

  static std::optional<std::string> find(const Meta& meta, std::string_view name) {
    const auto it = meta.find(name);
    return it == meta.end() ? std::nullopt : std::optional(it->second);
  }
  // A callback of loop or worker that does nothing once the shard is gone.
  template <class F>
  auto guarded(F f) {
    return [alive = std::weak_ptr(alive_), f = std::move(f)]() mutable {
      if (!alive.expired()) f();
    };
  }

  bool crowded() const {
    return staged_.batch.writes.size() >= options_.staged_writes ||
           staged_.batch.bytes >= options_.staged_bytes;
  }
  bool may_write() const {
    return !(flight_ && crowded()) && durable_.value - watches_.published().value < options_.staged_writes &&
           durable_waiting_.size() < options_.staged_writes;
  }
  bool idle() const { return !inputs_.any(Kind::Reads) && (inputs_.size() == 0 || !may_write()); }
  void schedule_turn();
  void turn();
  void run(Input, std::vector<Done>& ready);
  void start_commit();
  void publish();
  void take_doomed(Batch&);
  void committed(std::expected<void, Failure>);
  void failed(Failure, Pending lost);
  void reload();
  void after_commit();
  void go_on();
  void tell();
  void enter_full();
  void await_space();
  void scan(std::shared_ptr<const RowQuery>, std::shared_ptr<RowScan>, RowsDone);
  void schedule_steps();
  void schedule_bookmark();
  void bookmark();
  void settle_drains();

  env::Env& env_;
  const Options options_;
  const std::shared_ptr<File> file_;  // shared with work under way
  Memory memory_;
  Watches watches_;
  Inputs inputs_;
  Pending staged_;
  std::shared_ptr<Pending> flight_;
  std::deque<Done> durable_waiting_;  // to be told that all is well
  std::vector<Done> drains_;
  Revision newest_;    // of memory_
  Revision assigned_;  // ever, so that the numbers of a failed commit do not come again
  Revision durable_;
  uint64_t next_sequence_ = 1;
  Meta meta_, durable_meta_;
  bool turn_posted_ = false, go_on_posted_ = false, steps_posted_ = false, bookmark_set_ = false;
  bool reloading_ = false, full_ = false;
  Stats stats_;
  const std::shared_ptr<char> alive_ = std::make_shared<char>();
};

// One input's view of the shard.
class Engine::Step final : public Turn {
 public:
  explicit Step(Engine& e) : e_(e) {}

  ObjectPtr get(const Key& key) const override { return e_.memory_.get(key.text()); }
  void range(std::string_view prefix, std::string_view after, const Visit& visit) const override {
    e_.memory_.range(prefix, after, visit);
  }
  Result<void> range_at(Revision at, std::string_view prefix, std::string_view after,
                        const Visit& visit) const override;
  Revision revision() const override { return e_.newest_; }
  std::optional<std::string> meta(std::string_view name) const override { return find(e_.meta_, name); }

  Result<ObjectPtr> put(const Key&, Json object, std::optional<Revision> expect) override;
  Result<ObjectPtr> erase(const Key&, std::optional<Revision> expect) override;
  size_t erase_range(std::string_view prefix, size_t limit) override;
  void append(Row) override;
  void set_meta(std::string_view name, std::string value) override;
  void then(Revision shows, Done done) override { thens_.emplace_back(shows, std::move(done)); }

  // Hands what waits to the commit that makes it durable, or to `ready`.
  void settle(std::vector<Done>& ready);

 private:
  std::optional<Error> refusal(const Key&, const ObjectPtr& now, std::optional<Revision> expect) const;
  ObjectPtr stage(Change);

  Engine& e_;
  bool wrote_ = false;
  std::vector<std::pair<Revision, Done>> thens_;
};

Result<void> Engine::Step::range_at(Revision at, std::string_view prefix, std::string_view after,
                                    const Visit& visit) const {
  if (at > e_.newest_) return fail(too_new(at, e_.newest_));
  return e_.memory_.range_at(at, prefix, after, visit);
}

std::optional<Error> Engine::Step::refusal(const Key& key, const ObjectPtr& now,
                                           std::optional<Revision> expect) const {
  if (!expect || (now ? now->revision : Revision{}) == *expect) return std::nullopt;
  if (e_.env_.faults.fires("store.put.ignore_expect")) return std::nullopt;
  return *expect == Revision{} ? already_exists(key) : now ? conflict(key) : not_found(key);
}

ObjectPtr Engine::Step::stage(Change change) {
  wrote_ = true;
  ObjectPtr object = change.object;
  e_.newest_ = e_.assigned_ = e_.staged_.last = object->revision;
  e_.staged_.batch.writes.push_back({object, change.deleted});
  e_.staged_.batch.bytes += object->key.text().size() + (change.deleted ? 0 : object->json.size());
  e_.memory_.apply(std::move(change));
  return object;
}

Result<ObjectPtr> Engine::Step::put(const Key& key, Json object, std::optional<Revision> expect) {
  ObjectPtr now = get(key);
  if (auto refused = refusal(key, now, expect)) return fail(std::move(*refused));
  if (e_.full_ && !api::find(object, {"metadata", "deletionTimestamp"}))
    return fail(disk_full(e_.options_.path));
  ObjectPtr next = encode(key, std::move(object), Revision(e_.assigned_.value + 1));
  return stage({std::move(next), std::move(now), false});
}

Result<ObjectPtr> Engine::Step::erase(const Key& key, std::optional<Revision> expect) {
  ObjectPtr now = get(key);
  if (!now) return fail(not_found(key));
  if (auto refused = refusal(key, now, expect)) return fail(std::move(*refused));
  ObjectPtr last = tombstone(*now, Revision(e_.assigned_.value + 1));
  return stage({std::move(last), std::move(now), true});
}

size_t Engine::Step::erase_range(std::string_view prefix, size_t limit) {
  std::vector<ObjectPtr> doomed;
  if (limit > 0)
    e_.memory_.range(prefix, "", [&](const ObjectPtr& object) {
      doomed.push_back(object);
      return doomed.size() < limit;
    });
  for (ObjectPtr& object : doomed) {
    ObjectPtr last = tombstone(*object, Revision(e_.assigned_.value + 1));
    stage({std::move(last), std::move(object), true});
  }
  return e_.memory_.count(prefix);
}

void Engine::Step::append(Row row) {
  wrote_ = true;
  e_.staged_.batch.bytes += row.data.size() + row.stream.size() + row.unique.size() + row.cluster.size();
  e_.staged_.batch.rows.push_back({e_.next_sequence_++, std::move(row)});
}

void Engine::Step::set_meta(std::string_view name, std::string value) {
  ASSERT(!name.starts_with("store."));
  wrote_ = true;
  e_.staged_.batch.meta[std::string(name)] = value;
  e_.meta_[std::string(name)] = std::move(value);
}

void Engine::Step::settle(std::vector<Done>& ready) {
  for (auto& [shows, done] : thens_) {
    if (wrote_)
      e_.staged_.waiting.push_back(std::move(done));
    else if (shows <= e_.durable_)
      ready.push_back(std::move(done));
    else if (e_.flight_ && shows <= e_.flight_->last)
      e_.flight_->waiting.push_back(std::move(done));
    else if (!e_.staged_.batch.empty())
      e_.staged_.waiting.push_back(std::move(done));
    else
      ready.push_back(std::move(done));
  }
}

Result<void> Engine::submit(Input input, Kind kind) {
  if (reloading_) return fail(reading_again(options_.path));
  if (inputs_.size() >= options_.queue_inputs) return fail(queue_full(inputs_.size()));
  inputs_.add(std::move(input), kind);
  schedule_turn();
  return {};
}

void Engine::schedule_turn() {
  if (reloading_ || idle() || std::exchange(turn_posted_, true)) return;
  env_.loop.post(guarded([this] { turn(); }));
}

void Engine::turn() {
  turn_posted_ = false;
  if (reloading_ || idle()) return;
  ++stats_.turns;
  std::vector<Done> ready;
  const Instant end = env_.clock.now() + options_.turn_time;
  bool late = false, wrote = false;
  for (size_t n = 0; n < options_.turn_inputs && !(late && wrote); ++n) {
    const bool writes = late || !inputs_.any(Kind::Reads);
    std::optional<Input> input;
    if (!writes || !crowded()) input = inputs_.take(writes ? Kind::Writes : Kind::Reads);
    if (!input) break;
    wrote |= writes;
    run(std::move(*input), ready);
    late = env_.clock.now() >= end;
  }
  const Instant began = env_.clock.now();
  if (auto input = crowded() ? std::nullopt : inputs_.take_later(began)) {
    run(std::move(*input), ready);
    inputs_.later_took(began, env_.clock.now());
  }
  start_commit();
  schedule_turn();
  settle_drains();
  // Last, because a callback may destroy the shard.
  for (Done& done : ready) done({});
}

void Engine::run(Input input, std::vector<Done>& ready) {
  Step step(*this);
  input(step);
  step.settle(ready);
}

void Engine::take_doomed(Batch& batch) {
  std::deque<Doomed>& doomed = memory_.doomed();
  if (batch.empty() && doomed.size() < kCompactAtRest) return;
  const size_t n =
      std::min(doomed.size(), batch.empty() ? kCompactAtRest : 2 * batch.writes.size() + kDoomedPerCommit);
  batch.doomed.assign(doomed.begin(), doomed.begin() + ptrdiff_t(n));
  doomed.erase(doomed.begin(), doomed.begin() + ptrdiff_t(n));
}

void Engine::start_commit() {
  if (flight_ || reloading_) return;
  take_doomed(staged_.batch);
  if (staged_.batch.empty()) return;
  flight_ = std::make_shared<Pending>(std::exchange(staged_, {}));
  flight_->batch.fail = env_.faults.fires("store.commit.fail");
  flight_->batch.unsure = env_.faults.fires("store.commit.unsure");
  flight_->batch.skip_sync = env_.faults.fires("store.commit.skip_sync");
  auto outcome = std::make_shared<std::expected<void, Failure>>();
  env_.worker.run([file = file_, flight = flight_, outcome] { *outcome = file->commit(flight->batch); },
                  guarded([this, outcome] { committed(std::move(*outcome)); }));
}

void Engine::committed(std::expected<void, Failure> outcome) {
  const std::shared_ptr<Pending> done = std::exchange(flight_, nullptr);
  if (!outcome) return failed(std::move(outcome.error()), std::move(*done));
  ++stats_.commits;
  durable_ = std::max(durable_, done->last);
  for (auto& [name, value] : done->batch.meta) durable_meta_[name] = std::move(value);
  start_commit();  // the worker writes while the loop publishes
  std::ranges::move(done->waiting, std::back_inserter(durable_waiting_));
  after_commit();
}

void Engine::after_commit() {
  publish();
  start_commit();  // of what compaction found, at rest
  schedule_steps();
  schedule_bookmark();
  tell();
}

void Engine::go_on() {
  if (std::exchange(go_on_posted_, true)) return;
  env_.loop.post(guarded([this] {
    go_on_posted_ = false;
    after_commit();
  }));
}

// Who waited for the commit, after a slow disk hundreds of them: a slice at a time too.
void Engine::tell() {
  const Instant end = env_.clock.now() + options_.turn_time;
  const std::weak_ptr<char> alive = alive_;  // a callback may destroy the shard
  while (!durable_waiting_.empty() && env_.clock.now() < end) {
    Done then = std::move(durable_waiting_.front());
    durable_waiting_.pop_front();
    then({});
    if (alive.expired()) return;
  }
  schedule_turn();
  if (!durable_waiting_.empty()) go_on();
  settle_drains();
}

// A slice of it at a time, turns between: a commit of many changes that many watch is long.
void Engine::publish() {
  const Instant end = env_.clock.now() + options_.turn_time;
  const bool all = watches_.publish(memory_, durable_, [&] { return env_.clock.now() < end; });
  memory_.compact(watches_.published());
  if (!all) go_on();
}

void Engine::failed(Failure failure, Pending lost) {
  watches_.publish(memory_, durable_, [] { return true; });  // before the history may be another
  ++stats_.failed_commits;
  env_.log.error("store.commit_failed", {{"error", failure.error.message}});
  std::vector<Done> waiting = std::move(lost.waiting);
  std::ranges::move(staged_.waiting, std::back_inserter(waiting));
  memory_.doomed().insert(memory_.doomed().begin(), lost.batch.doomed.begin(), lost.batch.doomed.end());
  staged_ = {};
  meta_ = durable_meta_;
  if (failure.disk_full) enter_full();
  // The file confirms that it holds nothing of what failed: then undoing in memory gives what reading it again would.
  if (failure.newest && *failure.newest <= durable_) {
    memory_.undo(durable_);
    newest_ = durable_;
    after_commit();
  } else {
    reload();
  }
  for (Done& then : waiting) then(fail(failure.error));
}

void Engine::reload() {
  reloading_ = true;
  auto loaded = std::make_shared<Result<Loaded>>(fail({}));
  env_.worker.run(
      [file = file_, loaded] {
        const Result<void> opened = file->reopen();
        *loaded = opened ? file->load() : fail(opened.error());
      },
      guarded([this, loaded] {
        if (!*loaded) {
          env_.log.error("store.reload_failed", {{"error", loaded->error().message}});
          env_.loop.at(env_.clock.now() + options_.retry_every, guarded([this] { reload(); }));
          return;
        }
        reloading_ = false;
        memory_ = std::move((*loaded)->memory);
        newest_ = durable_ = (*loaded)->revision;
        assigned_ = std::max(assigned_, newest_);
        next_sequence_ = std::max(next_sequence_, (*loaded)->next_sequence);
        meta_ = durable_meta_ = std::move((*loaded)->meta);
        if ((*loaded)->disk_full) enter_full();
        env_.log.info("store.reloaded", {{"revision", durable_.value}});
        after_commit();
      }));
}

// Only deletes until the ballast can be made again.
void Engine::enter_full() {
  if (std::exchange(full_, true)) return;
  env_.log.error("store.disk_full", {{"path", options_.path}});
  await_space();
}

void Engine::await_space() {
  env_.loop.at(env_.clock.now() + options_.retry_every, guarded([this] {
                 auto space = std::make_shared<bool>(false);
                 env_.worker.run([file = file_, space] { *space = file->refill_ballast(); },
                                 guarded([this, space] {
                                   if (!*space) return await_space();
                                   full_ = false;
                                   env_.log.info("store.disk_has_space", {{"path", options_.path}});
                                 }));
               }));
}

Result<uint64_t> Engine::watch(Scope scope, Revision from, std::shared_ptr<Watcher> watcher) {
  ASSERT(scope.node.empty() || !scope.resource.empty());
  if (from > assigned_) return fail(too_new(from, assigned_));
  std::vector<ObjectPtr> first;
  if (from == Revision{}) {
    from = durable_;
    const auto listed = memory_.range_at(durable_, Watches::prefix(scope), "", [&](const ObjectPtr& object) {
      if (Watches::covers(scope, Change{object, nullptr})) first.push_back(object);
      return true;
    });
    if (!listed) return fail(listed.error());
  } else if (from < memory_.compacted()) {
    return fail(Memory::expired(from, memory_.compacted()));
  }
  const uint64_t id = watches_.add(std::move(scope), from, std::move(watcher), std::move(first));
  schedule_steps();
  return id;
}

void Engine::schedule_steps() {
  if (!watches_.behind() || std::exchange(steps_posted_, true)) return;
  env_.loop.post(guarded([this] {
    steps_posted_ = false;
    // Of many watches that lack little several catch up at once; a whole piece of one is enough for now.
    const Instant end = env_.clock.now() + options_.turn_time / 4;
    for (size_t before = watches_.behind() + 1; watches_.behind() < before && env_.clock.now() < end;) {
      before = watches_.behind();
      watches_.step(memory_);
    }
    schedule_steps();
  }));
}

void Engine::schedule_bookmark() {
  if (watches_.size() == 0 || std::exchange(bookmark_set_, true)) return;
  env_.loop.at(env_.clock.now() + options_.bookmark_every, guarded([this] { bookmark(); }));
}

void Engine::bookmark() {
  const Instant end = env_.clock.now() + options_.turn_time;
  bookmark_set_ = !watches_.bookmark([&] { return env_.clock.now() < end; });
  if (bookmark_set_) env_.loop.post(guarded([this] { bookmark(); }));
}

// In pieces, so that commits get their turn between them.
void Engine::scan(std::shared_ptr<const RowQuery> query, std::shared_ptr<RowScan> scan, RowsDone done) {
  auto outcome = std::make_shared<Result<void>>();
  env_.worker.run([file = file_, query, scan, outcome] { *outcome = file->rows(*query, *scan); },
                  guarded([this, query, scan, outcome, done = std::move(done)]() mutable {
                    if (!*outcome) return done(fail(outcome->error()));
                    if (scan->finished) return done(std::move(scan->found));
                    this->scan(query, scan, std::move(done));
                  }));
}

void Engine::settle_drains() {
  if (drains_.empty() || !durable_waiting_.empty()) return;
  if (inputs_.size() > 0 || flight_ || reloading_ || !staged_.batch.empty()) return;
  env_.loop.post([drains = std::exchange(drains_, {})]() mutable {
    for (Done& done : drains) done({});
  });
}

Stats Engine::stats() const {
  Stats stats = stats_;
  stats.revision = newest_;
  stats.durable = durable_;
  stats.objects = memory_.size();
  stats.history_bytes = memory_.history_bytes();
  stats.watchers = watches_.size();
  stats.queued = inputs_.size();
  stats.disk_full = full_;
  return stats;
}
}  // namespace

Result<std::unique_ptr<Shard>> Shard::open(env::Env& env, Options options) {
  Result<std::unique_ptr<File>> file = File::open(env.disk.vfs(), options);
  if (!file) return fail(file.error());
  Result<Loaded> loaded = (*file)->load();
  if (!loaded) return fail(loaded.error());
  return std::make_unique<Engine>(env, std::move(options), std::move(*file), std::move(*loaded));
}

}  // namespace ingot::store
