#include "apiserver/subscription.h"

namespace ingot::apiserver {
namespace {
using namespace std::chrono_literals;
constexpr Duration kRetry = 500ms;
}  // namespace

class Subscription::State final : public store::Watcher, public std::enable_shared_from_this<State> {
 public:
  State(env::Env& env, store::Shard& shard, store::Scope scope, bool everything, Hooks hooks)
      : env_(env),
        shard_(shard),
        scope_(std::move(scope)),
        everything_(everything),
        hooks_(std::move(hooks)) {}

  void begin() {
    timer_ = 0;
    hooks_.reset();
    const Revision from = everything_ ? Revision{0} : shard_.stats().revision;
    if (const Result<uint64_t> id = shard_.watch(scope_, from, shared_from_this())) {
      id_ = *id;
    } else {
      begin_later();
    }
  }
  void close() {
    closed_ = true;
    if (timer_) env_.loop.cancel(timer_);
    if (id_) shard_.unwatch(*std::exchange(id_, std::nullopt));
  }

  bool on_change(const store::Change& change) override {
    if (!closed_) hooks_.change(change);
    return !closed_;
  }
  void on_revision(Revision) override {
    if (!closed_) hooks_.caught_up();
  }
  void on_end(const Error&) override {
    id_.reset();
    if (!closed_) begin_later();
  }

 private:
  void begin_later() {
    timer_ = env_.loop.at(env_.clock.now() + kRetry, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && !self->closed_) self->begin();
    });
  }

  env::Env& env_;
  store::Shard& shard_;
  const store::Scope scope_;
  const bool everything_;
  const Hooks hooks_;
  std::optional<uint64_t> id_;
  env::TimerId timer_ = 0;
  bool closed_ = false;
};

Subscription::Subscription(env::Env& env, store::Shard& shard, store::Scope scope, bool everything,
                           Hooks hooks)
    : state_(std::make_shared<State>(env, shard, std::move(scope), everything, std::move(hooks))) {
  state_->begin();
}
Subscription::~Subscription() { state_->close(); }

}  // namespace ingot::apiserver
