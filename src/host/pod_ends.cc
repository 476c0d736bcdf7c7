#include "host/pod_ends.h"

#include <utility>

namespace ingot::host {
namespace {

// How often the container has been restarted, if it runs.
std::optional<int64_t> running(const api::ObjectPtr& object, const std::string& uid,
                               const std::string& container) {
  if (!object) return std::nullopt;
  const api::Json pod = object->parse();
  if (api::string_at(pod, {"metadata", "uid"}) != uid) return std::nullopt;
  for (std::string_view list : {"containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"})
    for (const api::Json& status : api::array_at(pod, {"status", list}))
      if (api::string_at(status, {"name"}) == container && api::find(status, {"state", "running"}))
        return api::int_at(status, {"restartCount"}).value_or(0);
  return std::nullopt;
}

// One follower: fires once, or never once its handle is dropped.
struct Follower final : store::Watcher {
  Follower(env::Loop& l, const apiserver::LogTarget& t, env::Task e)
      : loop(l), target(t), ended(std::move(e)) {}

  void fire() {
    if (ended) loop.post(std::exchange(ended, nullptr));
  }
  bool on_change(const store::Change& change) override {
    if (!ended) return false;
    if (change.object->key != target.pod) return true;
    if (!change.deleted && running(change.object, target.pod_uid, target.container) == run) return true;
    fire();
    return false;
  }
  // A watch that fell behind knows nothing more: let the log end, its reader can follow again.
  void on_end(const Error&) override { fire(); }

  env::Loop& loop;
  const apiserver::LogTarget target;
  env::Task ended;
  std::optional<int64_t> run;
};

void begin(store::Shard& shard, store::Turn& turn, const std::shared_ptr<Follower>& follower) {
  follower->run =
      running(turn.get(follower->target.pod), follower->target.pod_uid, follower->target.container);
  if (!follower->run) return follower->fire();
  const Revision from = turn.revision();
  turn.then(from, [&shard, follower, from](const Result<void>& durable) {
    const api::Key& pod = follower->target.pod;
    const store::Scope scope{std::string(pod.cluster()), std::string(pod.resource()), std::string(pod.ns())};
    if (!durable || !shard.watch(scope, from, follower)) follower->fire();
  });
}

}  // namespace

std::shared_ptr<void> PodEnds::when_ended(const apiserver::LogTarget& target, env::Task ended) {
  auto follower = std::make_shared<Follower>(loop_, target, std::move(ended));
  auto taken = shard_.submit([this, follower](store::Turn& turn) { begin(shard_, turn, follower); });
  if (!taken) follower->fire();
  return std::shared_ptr<void>(nullptr, [follower](void*) { follower->ended = nullptr; });
}

}  // namespace ingot::host
