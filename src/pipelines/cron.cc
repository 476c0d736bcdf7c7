#include "pipelines/cron.h"

#include <map>
#include <set>

#include "api/deletion.h"
#include "base/text_map.h"
#include "pipelines/pods.h"
#include "pipelines/reading.h"
#include "pipelines/starting.h"
#include "store/follower.h"
#include "workflow/cron.h"
#include "workflow/reading.h"
#include "workflow/rows.h"

namespace ingot::pipelines {
namespace {

using api::Json;
using api::Key;
using api::ObjectPtr;
using api::string_at;
using workflow::CronChild;
using workflow::CronPlan;

constexpr size_t kPerTurn = 8;  // CronWorkflows that are decided upon in a turn
constexpr Duration kLongestSleep = std::chrono::hours(1);

// Of the CronWorkflow that made it; "": none did.
std::string owner_of(const api::Object& workflow) {
  for (const Json& ref : workflow.owners())
    if (api::bool_at(ref, {"controller"}) && string_at(ref, {"kind"}) == "CronWorkflow")
      return std::string(string_at(ref, {"uid"}));
  return "";
}

CronChild child_from(const Json& workflow) {
  return {.name = std::string(string_at(workflow, {"metadata", "name"})),
          .uid = std::string(string_at(workflow, {"metadata", "uid"})),
          .resource_version = std::string(string_at(workflow, {"metadata", "resourceVersion"})),
          .phase = std::string(string_at(workflow, {"status", "phase"})),
          .finished = parse_rfc3339(string_at(workflow, {"status", "finishedAt"})).value_or(WallTime{})};
}

Key sibling(const Key& key, std::string_view resource, std::string_view name) {
  return {ClusterId{std::string(key.cluster())}, resource, key.ns(), name};
}

}  // namespace

class CronKeeper::Impl final : public store::Follower::Handler {
 public:
  Impl(env::Env& env, store::Shard& shard, const api::Registry& registry)
      : env_(env),
        registry_(registry),
        began_(env.clock.wall()),
        follower_(
            env, shard,
            {{{"", std::string(workflow::kCronWorkflows), ""}, {"", std::string(workflow::kWorkflows), ""}},
             store::kFewKeys,
             store::Shard::Kind::Writes},
            *this) {}

 private:
  struct Watched {
    std::string uid, schedules;
    WallTime since{};
    std::optional<WallTime> wake;
  };

  void reset() override {
    // What time was waited for stays known: a commit that failed misses nothing.
    for (auto& [key, watched] : watched_) watched.wake.reset();
    all_known_ = false;
    todo_.clear();
    timers_.clear();
    children_.clear();
    owners_.clear();
    crons_.clear();
  }

  bool follow(store::Turn& turn, const std::vector<Key>& changed, bool rest) override {
    for (const Key& key : changed)
      if (key.resource() == workflow::kCronWorkflows)
        todo_.insert(key.text());
      else
        child_changed(turn, key);
    // Whom nobody has counted yet might still run.
    all_known_ |= !rest;
    if (!all_known_) return true;
    const WallTime now = env_.clock.wall();
    while (!timers_.empty() && timers_.begin()->first <= now) {
      todo_.insert(timers_.begin()->second);
      watched_[timers_.begin()->second].wake.reset();
      timers_.erase(timers_.begin());
    }
    for (size_t n = 0; n < kPerTurn && !todo_.empty(); ++n)
      look_at(turn, Key(todo_.extract(todo_.begin()).value()), now);
    if (!timers_.empty())
      follower_.wake_at(env_.clock.now() + std::min<Duration>(timers_.begin()->first - now, kLongestSleep));
    return !todo_.empty();
  }

  void child_changed(store::Turn& turn, const Key& key) {
    const ObjectPtr object = turn.get(key);
    const std::string owner = object ? owner_of(*object) : "";
    if (const auto known = owners_.find(key.text()); known != owners_.end() && known->second != owner) {
      forget_child(known->second, key);
      owners_.erase(known);
    }
    if (owner.empty()) return;
    owners_[key.text()] = owner;
    children_[owner].insert_or_assign(key.text(), child_from(object->parse()));
    if (const auto cron = crons_.find(owner); cron != crons_.end()) todo_.insert(cron->second);
  }

  void forget_child(const std::string& owner, const Key& key) {
    if (const auto cron = crons_.find(owner); cron != crons_.end()) todo_.insert(cron->second);
    const auto family = children_.find(owner);
    if (family == children_.end()) return;
    family->second.erase(key.text());
    if (family->second.empty()) children_.erase(family);
  }

  void look_at(store::Turn& turn, const Key& key, WallTime now) {
    const ObjectPtr object = turn.get(key);
    if (!object || object->marks.deleting) return forget(key);
    Json cron = object->parse();
    Watched& watched = watch(key, cron, now);
    const CronPlan plan = workflow::decide(cron, children(turn, watched.uid), watched.since, now);
    for (const std::string& name : plan.erase)
      delete_object(turn, sibling(key, workflow::kWorkflows, name), now);
    for (const std::string& name : plan.terminate) terminate(turn, sibling(key, workflow::kWorkflows, name));
    if (plan.start) start(turn, key, cron, *plan.start);
    // What was started is in its status, and comes again when that is not written.
    if (plan.decided && !plan.start) watched.since = std::max(watched.since, *plan.decided);
    const bool kept = api::same(cron, object->parse()) || turn.put(key, std::move(cron), object->revision);
    wake(key, watched, kept ? plan.wake : now + std::chrono::seconds(1));
  }

  // One that is new is waited for from its creation on, one whose schedules are new from now on.
  Watched& watch(const Key& key, const Json& cron, WallTime now) {
    const std::string_view uid = string_at(cron, {"metadata", "uid"});
    const auto [at, added] = watched_.try_emplace(key.text());
    Watched& w = at->second;
    std::string schedules = workflow::schedules_text(cron);
    if (added || w.uid != uid) {
      crons_.erase(w.uid);
      w.uid = uid;
      w.since =
          std::max(began_, parse_rfc3339(string_at(cron, {"metadata", "creationTimestamp"})).value_or(now));
    } else if (w.schedules != schedules) {
      w.since = now;
    }
    w.schedules = std::move(schedules);
    crons_[w.uid] = key.text();
    return w;
  }

  void forget(const Key& key) {
    const auto at = watched_.find(key.text());
    if (at == watched_.end()) return;
    wake(key, at->second, std::nullopt);
    crons_.erase(at->second.uid);
    watched_.erase(at);
  }

  void wake(const Key& key, Watched& watched, std::optional<WallTime> when) {
    if (watched.wake == when) return;
    if (watched.wake) timers_.erase({*watched.wake, key.text()});
    if (when) timers_.emplace(*when, key.text());
    watched.wake = when;
  }

  std::vector<CronChild> children(store::Turn& turn, const std::string& uid) {
    std::vector<CronChild> out;
    const auto family = children_.find(uid);
    if (family == children_.end()) return out;
    for (const auto& [text, child] : family->second)
      if (const ObjectPtr object = turn.get(Key(text)); object && !object->marks.deleting)
        out.push_back(child);
    return out;
  }

  void terminate(store::Turn& turn, const Key& key) {
    const ObjectPtr object = turn.get(key);
    if (!object) return;
    Json json = object->parse();
    if (!string_at(json, {"spec", "shutdown"}).empty()) return;
    api::set(json, {"spec", "shutdown"}, "Terminate");
    (void)turn.put(key, std::move(json), object->revision);
  }

  void start(store::Turn& turn, const Key& key, Json& cron, WallTime scheduled) {
    const auto good = workflow::check("CronWorkflow", cron, templates(turn, key));
    if (!good) return workflow::note_not_started(cron, scheduled, "SpecError", good.error());
    const Key child = sibling(key, workflow::kWorkflows, workflow::child_name(cron, scheduled));
    Json run = workflow::child_of(cron, scheduled);
    api::set(run, {"metadata", "name"}, child.name());
    const auto made = create_workflow(turn, env_, registry_, child, std::move(run));
    if (made) return workflow::note_started(cron, (*made)->parse(), scheduled);
    workflow::note_not_started(cron, scheduled, "SubmissionError",
                               "Failed to submit Workflow: " + made.error().message);
  }

  env::Env& env_;
  const api::Registry& registry_;
  const WallTime began_;
  bool all_known_ = false;
  std::map<std::string, Watched> watched_;    // by the CronWorkflow's key
  std::map<std::string, std::string> crons_;  // its key by its uid
  HashMap<std::string> owners_;               // of children, by the child's key: the CronWorkflow's uid
  std::map<std::string, std::map<std::string, CronChild>> children_;  // by that uid and their keys
  std::set<std::string> todo_;
  std::set<std::pair<WallTime, std::string>> timers_;
  store::Follower follower_;
};

CronKeeper::CronKeeper(env::Env& env, store::Shard& shard, const api::Registry& registry)
    : impl_(std::make_unique<Impl>(env, shard, registry)) {}
CronKeeper::~CronKeeper() = default;

}  // namespace ingot::pipelines
