#include "registry/witness.h"

#include <charconv>
#include <deque>
#include <set>

#include "api/model_names.h"
#include "api/reserved.h"
#include "registry/run_rows.h"

namespace ingot::registry {
namespace {

using api::Json;
using api::Key;
using api::ObjectPtr;
using api::string_at;

constexpr std::string_view kSeen = "lineage.seen";
constexpr std::string_view kCompleted = R"("workflows.argoproj.io/completed":"true")";
constexpr Duration kRetry = std::chrono::milliseconds(200);
constexpr size_t kMostPodsSeen = 1'000, kMostPodsRead = 128;

bool completed(const ObjectPtr& workflow) { return workflow && workflow->mentions(kCompleted); }

ClusterId cluster_of(const Key& key) { return ClusterId{std::string(key.cluster())}; }

}  // namespace

class Witness::Impl : public std::enable_shared_from_this<Witness::Impl> {
 public:
  Impl(env::Env& env, store::Shard& shard) : env_(env), shard_(shard) {}

  void start() {
    const std::string seen = shard_.meta(kSeen).value_or("0");
    uint64_t from = 0;
    std::from_chars(seen.data(), seen.data() + seen.size(), from);
    post([from](Impl& at) { at.begin(Revision{from}); });
  }
  void stop() {
    ++life_;
    if (watch_) shard_.unwatch(*watch_);
    watch_.reset();
  }

 private:
  struct Entry {
    ObjectPtr object;
    bool went;  // what is told of it is its end by being deleted
    Revision at;
  };

  struct Watch final : store::Watcher {
    std::weak_ptr<Impl> impl;
    uint64_t life;
    Watch(std::weak_ptr<Impl> i, uint64_t l) : impl(std::move(i)), life(l) {}
    std::shared_ptr<Impl> current() const {
      auto held = impl.lock();
      return held && held->life_ == life ? held : nullptr;
    }
    bool on_change(const store::Change& change) override {
      const auto at = current();
      return at && at->see(change);
    }
    void on_revision(Revision revision) override {
      if (const auto at = current()) at->complete(revision);
    }
    void on_end(const Error& error) override {
      if (const auto at = current()) at->again(error);
    }
  };

  // On a task of its own: a shard is not called from within its callbacks.
  void post(std::function<void(Impl&)> what) {
    env_.loop.post([weak = weak_from_this(), was = life_, what = std::move(what)] {
      if (const auto at = weak.lock(); at && at->life_ == was) what(*at);
    });
  }
  void later(std::function<void(Impl&)> what) {
    env_.loop.at(env_.clock.now() + kRetry, [weak = weak_from_this(), was = life_, what = std::move(what)] {
      if (const auto at = weak.lock(); at && at->life_ == was) what(*at);
    });
  }

  void begin(Revision from) {
    auto id = shard_.watch({}, from, std::make_shared<Watch>(weak_from_this(), life_));
    if (!id && from.value > 0) return begin(Revision{0});  // compacted, or of a file that was restored
    if (!id) return later([](Impl& at) { at.begin(Revision{0}); });
    listing_ = from.value == 0;
    last_ = from;
    watch_ = *id;
  }
  void again(const Error& error) {
    watch_.reset();
    const bool expired = error.reason == Reason::Expired || listing_;
    later([from = expired ? Revision{0} : last_](Impl& at) { at.begin(from); });
  }
  // After a failed commit: what was read may not have happened.
  void restart() {
    stop();
    waiting_.clear();
    waiting_bytes_ = 0;
    submitted_ = false;
    start();
  }

  void complete(Revision revision) {
    listing_ = false;
    last_ = std::max(last_, revision);
  }

  bool see(const store::Change& change) {
    if (!listing_ && (waiting_.size() >= kMostWaiting || waiting_bytes_ >= kMostBytes)) return false;
    const std::string_view resource = change.object->key.resource();
    if (resource == kPods)
      see_pod(change);
    else if (resource == kWorkflows)
      see_workflow(change);
    else if (resource == kDatasetVersions)
      see_data(change);
    else if (resource == api::kModelVersions && !change.deleted && !change.before)
      see_model(change.object);
    if (!listing_) last_ = change.revision();
    return true;
  }

  void see_pod(const store::Change& change) {
    const ObjectPtr& pod = change.object;
    if (pod->node.empty()) return;
    if (change.deleted) keep_gone(pod);
    if (!pod->marks.ended && !change.deleted) return;
    if (change.before && change.before->marks.ended && !change.deleted) return;
    if (!pod->mentions(kDatasetDriver)) return;
    if (const Owner owner = owner_of(pod->owners()); owner.kind == "Workflow" && plain(owner.name))
      care_for(Key(cluster_of(pod->key), kWorkflows, pod->key.ns(), owner.name));
    wait({pod, change.deleted && !pod->marks.ended, change.revision()});
  }
  void see_workflow(const store::Change& change) {
    if (change.deleted) keep_gone(change.object);
    const bool over = completed(change.object);
    if (change.deleted ? over : !over || completed(change.before)) return;
    // Its pods and versions came before it, also in the order of keys. Of most nothing is to be told.
    const bool cared = runs_.contains(change.object->key.text());
    if (cared || change.object->mentions(api::kCommitLabel))
      wait({change.object, change.deleted, change.revision()});
  }
  void see_data(const store::Change& change) {
    if (change.deleted) keep_gone(change.object);
    if (change.deleted || !change.before) wait({change.object, change.deleted, change.revision()});
  }
  void see_model(const ObjectPtr& version) {
    if (!version->mentions("\"workflowUid\"")) return;
    const Json value = version->parse();
    const std::string_view ns = string_at(value, {"spec", "provenanceOf", "namespace"}),
                           name = string_at(value, {"spec", "provenanceOf", "workflow"});
    if (plain(ns) && plain(name)) care_for(Key(cluster_of(version->key), kWorkflows, ns, name));
  }

  static bool plain(std::string_view part) { return !part.empty() && part.find('/') == part.npos; }
  void care_for(const Key& workflow) {
    if (runs_.size() < kMostRuns) runs_.insert(workflow.text());
  }
  void keep_gone(const ObjectPtr& object) {
    gone_.push_back(object);
    gone_bytes_ += object->json.size();
    while (gone_.size() > kMostGone || gone_bytes_ > kMostBytes) {
      gone_bytes_ -= gone_.front()->json.size();
      gone_.pop_front();
    }
  }

  void wait(Entry entry) {
    waiting_bytes_ += entry.object->json.size();
    waiting_.push_back(std::move(entry));
    submit();
  }
  void submit() {
    if (submitted_ || waiting_.empty()) return;
    submitted_ = true;
    auto taken = shard_.submit(
        [weak = weak_from_this(), was = life_](store::Turn& turn) {
          if (const auto at = weak.lock(); at && at->life_ == was) at->write(turn);
        },
        store::Shard::Kind::Later);
    if (taken) return;
    submitted_ = false;
    later([](Impl& at) { at.submit(); });
  }

  void write(store::Turn& turn) {
    submitted_ = false;
    const WallTime now = env_.clock.wall();
    Revision seen = last_;
    std::vector<std::string> told;
    for (size_t n = 0; !waiting_.empty() && n < kFew; ++n) {
      const Entry entry = std::move(waiting_.front());
      waiting_.pop_front();
      waiting_bytes_ -= entry.object->json.size();
      write(turn, entry, now);
      if (entry.object->key.resource() == kWorkflows) told.push_back(entry.object->key.text());
      seen = entry.at;
    }
    if (waiting_.empty()) seen = last_;
    if (!listing_) turn.set_meta(kSeen, std::to_string(seen.value));
    turn.then(turn.revision(),
              [weak = weak_from_this(), was = life_, told = std::move(told)](const Result<void>& durable) {
                const auto at = weak.lock();
                if (!at) return;
                if (durable)
                  for (const std::string& workflow : told) at->runs_.erase(workflow);
                else if (at->life_ == was)
                  at->restart();
              });
    submit();
  }

  void write(store::Turn& turn, const Entry& entry, WallTime now) {
    const Key& key = entry.object->key;
    const LookBack look = [&](std::string_view resource, std::string_view ns, std::string_view name) {
      return plain(ns) && plain(name) ? look_back(turn, Key(cluster_of(key), resource, ns, name)) : Json();
    };
    api::JsonObject row;
    std::string unique;
    if (key.resource() == kPods) {
      const Json pod = entry.object->parse();
      row = pod_row(pod, look, entry.went, now);
      unique = "/pod/" + std::string(string_at(pod, {"metadata", "uid"}));
    } else if (key.resource() == kWorkflows) {
      const Json workflow = entry.object->parse();
      const std::string_view uid = string_at(workflow, {"metadata", "uid"});
      row = workflow_row(workflow, pods_of(turn, key, uid), entry.went, now);
      // One that is tried again ends again.
      unique =
          "/workflow/" + std::string(uid) + "/" + std::string(string_at(workflow, {"status", "finishedAt"}));
    } else {
      const Json version = entry.object->parse();
      row = data_row(version, look, entry.went);
      unique = (entry.went ? "/data-gone/" : "/data/") + std::string(string_at(version, {"metadata", "uid"}));
    }
    turn.append({.stream = "lineage",
                 .unique = std::string(key.cluster()) + unique,
                 .cluster = std::string(key.cluster()),
                 .at = now,
                 .data = api::to_text(row)});
  }

  Json look_back(const store::Turn& turn, const Key& key) const {
    if (const ObjectPtr there = turn.get(key)) return there->parse();
    for (auto it = gone_.rbegin(); it != gone_.rend(); ++it)
      if ((*it)->key == key) return (*it)->parse();
    return {};
  }

  // Its pods are called as it is, and then some.
  std::vector<Json> pods_of(const store::Turn& turn, const Key& workflow, std::string_view uid) const {
    std::vector<Json> pods;
    size_t seen = 0;
    const std::string prefix = Key(cluster_of(workflow), kPods, workflow.ns(), workflow.name()).text();
    const auto take = [&](const ObjectPtr& pod) {
      if (!pod->node.empty() && owner_of(pod->owners()).uid == uid) pods.push_back(pod->parse());
      return pods.size() < kMostPodsRead && ++seen < kMostPodsSeen;
    };
    for (const ObjectPtr& pod : gone_)
      if (pod->key.text().starts_with(prefix) && !take(pod)) return pods;
    turn.range(prefix, "", take);
    return pods;
  }

  env::Env& env_;
  store::Shard& shard_;
  uint64_t life_ = 0;  // grows with every start: what belongs to an earlier one is dropped
  std::optional<uint64_t> watch_;
  bool listing_ = true, submitted_ = false;
  Revision last_{};             // of the newest change that was seen
  std::deque<Entry> waiting_;   // in the order in which they changed
  std::deque<ObjectPtr> gone_;  // the newest last: of what was deleted, to be looked up
  size_t waiting_bytes_ = 0, gone_bytes_ = 0;
  std::set<std::string> runs_;  // Workflows that used data or made a model, until they end
};

Witness::Witness(env::Env& env, store::Shard& shard) : impl_(std::make_shared<Impl>(env, shard)) {
  impl_->start();
}
Witness::~Witness() { impl_->stop(); }

}  // namespace ingot::registry
