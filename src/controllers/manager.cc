#include "controllers/manager.h"

#include <map>
#include <string>

#include "controllers/apply.h"
#include "controllers/queue.h"
#include "controllers/table.h"

namespace ingot::controllers {

class Manager::Impl final : public store::Watcher, public std::enable_shared_from_this<Manager::Impl> {
 public:
  Impl(env::Env& env, store::Shard& shard, Facts facts, ManagerOptions options)
      : env_(env), shard_(shard), facts_(std::move(facts)), options_(options), queue_(options.queue_limit) {}

  void start() { list(); }
  void stop() {
    stopped_ = true;
    if (watch_) shard_.unwatch(watch_);
    env_.loop.cancel(timer_);
  }
  ManagerStats stats() const { return {queue_.size(), reconciled_, failed_}; }

  // store::Watcher
  bool on_change(const store::Change& change) override {
    if (change.before) index_.remove(*change.before, traits_of(*change.before));
    const Traits traits = traits_of(*change.object);
    if (change.deleted) {
      index_.remove(*change.object, traits);
    } else {
      index_.add(*change.object, traits);
    }
    const Seen seen{change, traits.owners, index_, facts_};
    const auto controllers = all_controllers();
    for (uint8_t row = 0; row < controllers.size(); ++row)
      controllers[row]->watch(seen, [&](const Key& key) { enqueue({row, key}); });
    if (listed_) wake();
    return true;
  }
  void on_revision(Revision) override {
    if (listed_) return;
    listed_ = true;
    env_.log.info("controllers.listed", {{"waiting", queue_.size()}});
    wake();
  }
  void on_end(const Error& error) override {
    watch_ = 0;
    if (stopped_) return;
    env_.log.warn("controllers.watch_ended", {{"why", error.message}});
    listed_ = false;
    env_.loop.post([self = weak_from_this()] {
      if (auto impl = self.lock(); impl && !impl->stopped_) impl->list();
    });
  }

 private:
  // Everything from the start: the index is built again, every key looked at again.
  void list() {
    listed_ = false;
    overflowed_ = false;
    index_.clear();
    queue_.clear();
    auto watch = shard_.watch({}, Revision{0}, shared_from_this());
    if (watch) {
      watch_ = *watch;
    } else {
      env_.log.warn("controllers.list_failed", {{"why", watch.error().message}});
      wake_at(env_.clock.now() + std::chrono::seconds(1));
    }
  }

  void enqueue(const Item& item) { overflowed_ |= !queue_.add(item); }

  // At most one input waits in the shard; it takes what is there when it runs.
  void wake() {
    if (stopped_ || submitted_) return;
    if (!listed_ && watch_ == 0) return list();
    if (!listed_) return;
    if (queue_.idle(env_.clock.now())) {
      if (overflowed_) return relist();
      if (auto due = queue_.next_due()) wake_at(*due);
      return;
    }
    auto taken = shard_.submit([self = weak_from_this()](store::Turn& turn) {
      if (auto impl = self.lock(); impl && !impl->stopped_) impl->run(turn);
    });
    submitted_ = taken.has_value();
    if (!submitted_) wake_at(env_.clock.now() + std::chrono::milliseconds(20));
  }
  void wake_at(Instant when) {
    env_.loop.cancel(timer_);
    timer_ = env_.loop.at(when, [self = weak_from_this()] {
      auto impl = self.lock();
      if (!impl || impl->stopped_) return;
      impl->timer_ = 0;
      impl->wake();
    });
  }
  void relist() {
    if (watch_) shard_.unwatch(watch_);
    watch_ = 0;
    list();
  }

  void run(store::Turn& turn) {
    submitted_ = false;
    const Revision before = turn.revision();
    std::vector<Item> items = queue_.take(options_.keys_per_turn, env_.clock.now());
    for (const Item& item : items) reconcile(turn, item);
    if (turn.revision() != before)
      turn.then(turn.revision(),
                [self = weak_from_this(), items = std::move(items)](const Result<void>& durable) {
                  auto impl = self.lock();
                  if (durable || !impl || impl->stopped_) return;
                  for (const Item& item : items) impl->retry(item);
                  impl->wake();
                });
    // Never inline: the shard may be in the middle of its turn's inputs.
    env_.loop.post([self = weak_from_this()] {
      if (auto impl = self.lock()) impl->wake();
    });
  }

  void reconcile(store::Turn& turn, const Item& item) {
    const TurnSnapshot snapshot(turn, index_, facts_, ClusterId{std::string(item.key.cluster())});
    const Controller& controller = *all_controllers()[item.controller];
    Plan plan = controller.reconcile(snapshot, item.key, env_.clock.wall());
    const auto revisit_after = plan.revisit_after;
    const bool again = plan.again;
    ++reconciled_;
    if (auto written = apply(turn, env_, index_, std::move(plan)); !written) {
      ++failed_;
      env_.log.warn(
          "controllers.write_failed",
          {{"controller", controller.name}, {"key", item.key.text()}, {"why", written.error().message}});
      return retry(item);
    }
    queue_.succeeded(item);
    if (again) enqueue(item);
    if (revisit_after) overflowed_ |= !queue_.add_at(item, env_.clock.now() + *revisit_after);
  }
  void retry(const Item& item) { queue_.failed(item, env_.clock.now()); }

  env::Env& env_;
  store::Shard& shard_;
  const Facts facts_;
  const ManagerOptions options_;
  Index index_;
  WorkQueue queue_;
  uint64_t watch_ = 0;
  env::TimerId timer_ = 0;
  bool listed_ = false;      // the index has seen every live object
  bool submitted_ = false;   // an input of ours waits in the shard
  bool overflowed_ = false;  // keys were dropped: list again once the queue is empty
  bool stopped_ = false;
  uint64_t reconciled_ = 0, failed_ = 0;
};

Manager::Manager(env::Env& env, store::Shard& shard, Facts facts, ManagerOptions options)
    : impl_(std::make_shared<Impl>(env, shard, std::move(facts), options)) {
  impl_->start();
}
Manager::~Manager() { impl_->stop(); }
ManagerStats Manager::stats() const { return impl_->stats(); }

}  // namespace ingot::controllers
