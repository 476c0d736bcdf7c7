#include "controllers/announcer.h"

#include <deque>
#include <utility>

#include "controllers/placement_told.h"
#include "controllers/placement_writes.h"

namespace ingot::controllers {
namespace {

constexpr size_t kPerInput = 16;
constexpr Duration kRetry = std::chrono::milliseconds(50);  // the shard takes nothing for now

void write(store::Turn& turn, const Announcement& a) {
  say(turn, {a.pod, "Pod", a.uid, "Normal", "Scheduled", a.message, kScheduler}, a.at);
}

}  // namespace

struct Announcer::Impl : std::enable_shared_from_this<Impl> {
  Impl(env::Env& e, store::Shard& s) : env(e), shard(s) {}

  void submit() {
    if (std::exchange(queued, true)) return;
    const auto taken = shard.submit(
        [weak = weak_from_this()](store::Turn& turn) {
          if (const auto self = weak.lock()) self->write_some(turn);
        },
        store::Shard::Kind::Later);
    if (!taken)
      env.loop.at(env.clock.now() + kRetry, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (self && std::exchange(self->queued, false) && !self->waiting.empty()) self->submit();
      });
  }
  void write_some(store::Turn& turn) {
    queued = false;
    for (size_t n = 0; n < kPerInput && !waiting.empty(); ++n) {
      write(turn, waiting.front());
      waiting.pop_front();
    }
    if (!waiting.empty()) submit();
  }

  env::Env& env;
  store::Shard& shard;
  std::deque<Announcement> waiting;
  bool queued = false;
};

Announcer::Announcer(env::Env& env, store::Shard& shard) : impl_(std::make_shared<Impl>(env, shard)) {}
Announcer::~Announcer() = default;

void Announcer::say(store::Turn& turn, Announcement a) {
  if (impl_->waiting.size() >= kMost) return write(turn, a);
  impl_->waiting.push_back(std::move(a));
  impl_->submit();
}
void Announcer::clear() { impl_->waiting.clear(); }

}  // namespace ingot::controllers
