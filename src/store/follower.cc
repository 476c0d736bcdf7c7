#include "store/follower.h"

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <deque>
#include <optional>

#include "base/text_map.h"

namespace ingot::store {
namespace {

constexpr Duration kRetry = std::chrono::milliseconds(50);
constexpr size_t kFew = 4'096;  // keys whose room a follower keeps

// Keys in the order in which they first changed, each once. The objects that hold their texts are kept meanwhile.
class Changed {
  using Known = boost::unordered_flat_set<HashedText, HashedText::Hash>;

 public:
  void add(const ObjectPtr& object) {
    if (known_.emplace(object->key.text()).second) order_.push_back(object);
  }
  std::vector<Key> take(size_t most) {
    std::vector<Key> keys;
    for (; !order_.empty() && keys.size() < most; order_.pop_front()) {
      known_.erase(HashedText(order_.front()->key.text()));
      keys.push_back(order_.front()->key);
    }
    if (order_.empty() && known_.bucket_count() > kFew) known_ = Known();  // a first list's room
    std::ranges::sort(keys);
    return keys;
  }
  bool empty() const { return order_.empty(); }
  void clear() {
    known_.clear();
    order_.clear();
  }

 private:
  std::deque<ObjectPtr> order_;
  Known known_;
};

}  // namespace

struct Follower::Impl : std::enable_shared_from_this<Follower::Impl> {
  env::Env& env;
  Shard& shard;
  FollowerOptions options;
  Handler& handler;

  uint64_t life = 0;  // grows with every start: what belongs to an earlier one is dropped
  std::vector<uint64_t> watches;
  size_t complete = 0;  // watches that have delivered every live object
  Changed changed;
  bool wanted = false, queued = false;
  env::TimerId timer = 0;
  std::optional<Instant> due;

  Impl(env::Env& e, Shard& s, FollowerOptions o, Handler& h)
      : env(e), shard(s), options(std::move(o)), handler(h) {}

  struct Watch final : Watcher {
    std::weak_ptr<Impl> impl;
    uint64_t life;
    bool complete = false;
    Watch(std::weak_ptr<Impl> i, uint64_t l) : impl(std::move(i)), life(l) {}
    std::shared_ptr<Impl> current() const {
      auto held = impl.lock();
      return held && held->life == life ? held : nullptr;
    }
    bool on_change(const Change& change) override {
      const auto at = current();
      if (!at) return false;
      at->changed.add(change.object);
      at->want();
      return true;
    }
    void on_revision(Revision) override {
      if (complete) return;
      complete = true;
      if (const auto at = current()) {
        ++at->complete;
        at->want();
      }
    }
    void on_end(const Error&) override {
      if (const auto at = current()) at->restart();
    }
  };

  // Watches begin on a task of their own: a shard is not called from within its callbacks.
  void start() {
    env.loop.post([weak = weak_from_this(), was = life] {
      if (const auto at = weak.lock(); at && at->life == was) at->begin();
    });
  }
  void begin() {
    for (const Scope& scope : options.scopes) {
      auto id = shard.watch(scope, Revision{0}, std::make_shared<Watch>(weak_from_this(), life));
      if (!id) {
        stop();
        later([](Impl& at) { at.start(); });
        return;
      }
      watches.push_back(*id);
    }
  }
  void stop() {
    ++life;
    for (const uint64_t id : watches) shard.unwatch(id);
    watches.clear();
    complete = 0;
    changed.clear();
  }
  void restart() {
    stop();
    handler.reset();
    start();
  }

  void later(void (*what)(Impl&)) {
    env.loop.at(env.clock.now() + kRetry, [weak = weak_from_this(), was = life, what] {
      if (const auto at = weak.lock(); at && at->life == was) what(*at);
    });
  }

  void want() {
    wanted = true;
    submit();
  }
  void submit() {
    if (queued || !wanted || complete < options.scopes.size()) return;
    queued = true;
    auto taken = shard.submit(
        [weak = weak_from_this()](Turn& turn) {
          if (const auto at = weak.lock()) at->turn(turn);
        },
        options.kind);
    if (taken) return;
    env.loop.at(env.clock.now() + kRetry, [weak = weak_from_this()] {
      if (const auto at = weak.lock()) {
        at->queued = false;
        at->submit();
      }
    });
  }

  void turn(Turn& turn) {
    queued = false;
    if (complete < options.scopes.size()) return;  // it started again meanwhile
    wanted = false;
    const std::vector<Key> batch = changed.take(options.keys_per_turn);
    const bool again = handler.follow(turn, batch, !changed.empty());
    turn.then(turn.revision(), [weak = weak_from_this(), was = life](const Result<void>& durable) {
      const auto at = weak.lock();
      if (!durable && at && at->life == was) at->restart();
    });
    if (again || !changed.empty()) want();
  }

  void wake_at(Instant when) {
    if (due && *due <= when) return;
    if (due) env.loop.cancel(timer);
    due = when;
    timer = env.loop.at(when, [weak = weak_from_this()] {
      if (const auto at = weak.lock()) {
        at->due.reset();
        at->want();
      }
    });
  }
};

Follower::Follower(env::Env& env, Shard& shard, FollowerOptions options, Handler& handler)
    : impl_(std::make_shared<Impl>(env, shard, std::move(options), handler)) {
  impl_->start();
}
Follower::~Follower() {
  impl_->stop();
  if (impl_->due) impl_->env.loop.cancel(impl_->timer);
}
void Follower::wake() { impl_->want(); }
void Follower::wake_at(Instant when) { impl_->wake_at(when); }

}  // namespace ingot::store
