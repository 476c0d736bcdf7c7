#include "pipelines/engine.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "api/selector.h"
#include "base/text_map.h"
#include "pipelines/experiment.h"
#include "pipelines/held_runs.h"
#include "pipelines/lock_book.h"
#include "pipelines/memos.h"
#include "pipelines/pods.h"
#include "pipelines/reading.h"
#include "pipelines/resource_steps.h"
#include "pipelines/row_sweep.h"
#include "pipelines/rows.h"
#include "pipelines/workflow_status.h"
#include "store/follower.h"
#include "workflow/pod.h"

namespace ingot::pipelines {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::Key;
using api::ObjectPtr;
using api::string_at;
using workflow::NodeIndex;
using workflow::NodeType;
using workflow::Phase;
using workflow::Run;

constexpr Duration kProgressEvery = std::chrono::seconds(1);  // how often a large Workflow says how far it is
constexpr size_t kLarge = 64 * 1024;
constexpr size_t kErased = 500;  // rows in a turn
constexpr Duration kLongestSleep = std::chrono::hours(1);
constexpr std::chrono::seconds kAgain(1);
constexpr size_t kRunsPerTurn = 8, kPodsPerTurn = 8;
// Pods of a run that have not begun: more tell the scheduler and the nodes nothing, and cost them and everybody's lists.
// Those of a gang do not count, since they may need one another.
constexpr size_t kAhead = 1'000;

}  // namespace

class Engine::Impl final : public store::Follower::Handler {
 public:
  Impl(env::Env& env, store::Shard& shard, const api::Registry& registry, Requests* requests, Judge judge)
      : env_(env),
        shard_(shard),
        registry_(registry),
        resources_(env, registry, requests,
                   [this](const std::string& workflow) {
                     look_at(workflow);
                     follower_.wake();
                   }),
        held_(std::move(judge)),
        pod_spec_(*registry.find_key("pods")->schema->find("spec")->schema),
        follower_(env, shard,
                  {{{"", std::string(workflow::kWorkflows), ""}, {"", "pods", ""}, {"", "configmaps", ""}},
                   store::kFewKeys,
                   store::Shard::Kind::Writes},
                  *this) {
    sweep_.emplace(env_, shard_);
  }

  EngineStats stats() const { return stats_; }

  void judge_again() {
    for (const std::string& workflow : held_.held()) look_at(workflow);
    if (!held_.held().empty()) follower_.wake();
  }

 private:
  struct Going {
    std::unique_ptr<Run> run;
    Revision seen{};             // of the Workflow, as we wrote or read it
    std::set<std::string> pods;  // key texts of pods that changed
    size_t ahead = 0;            // of its pods_ those that have not begun
    std::optional<WallTime> timer;
    std::optional<Phase> told;  // what the Workflow says
    Instant progress_at{};      // when it may be written again only to say how far it is
    bool untold = false;        // nodes changed since it was written
    bool reminded = false;      // of that, by a timer
    WallTime again_at{};        // after something was refused
  };
  struct PodOf {
    std::string workflow;  // key text
    NodeIndex node;
    bool begun = false;  // or is not counted
  };

  void reset() override {
    going_.clear();
    pods_.clear();
    todo_.clear();
    waiting_.clear();
    timers_.clear();
    locks_.reset();
    resources_.clear();
    held_.clear();
    sweep_.emplace(env_, shard_);
    stats_.runs = 0;
  }

  bool follow(store::Turn& turn, const std::vector<Key>& changed, bool rest) override {
    const WallTime now = env_.clock.wall();
    for (const Key& key : changed) {
      if (key.resource() == workflow::kWorkflows) {
        locks_.expect(key.text());
        look_at(key.text());
      } else if (key.resource() == "configmaps") {
        locks_.resized(turn, key);
      } else if (const auto pod = pods_.find(key.text()); pod != pods_.end()) {
        going_[pod->second.workflow].pods.insert(key.text());
        look_at(pod->second.workflow);
      }
    }
    while (!timers_.empty() && timers_.begin()->first <= now) {
      look_at(timers_.begin()->second);
      timers_.erase(timers_.begin());
    }
    if (!rest) locks_.expected_all();
    if (sweep_ && sweep_->over()) sweep_.reset();
    pods_left_ = kPodsPerTurn;
    for (size_t n = 0; n < kRunsPerTurn && pods_left_ > 0 && !todo_.empty(); ++n) {
      const std::string key = todo_.front();
      todo_.pop_front();
      waiting_.erase(key);
      operate(turn, Key(key), now);
    }
    for (const Key& key : locks_.told(turn)) look_at(key.text());
    if (!timers_.empty())
      follower_.wake_at(env_.clock.now() + std::min<Duration>(timers_.begin()->first - now, kLongestSleep));
    return !todo_.empty();
  }

  void look_at(const std::string& workflow) {
    if (waiting_.insert(workflow).second) todo_.push_back(workflow);
  }

  void operate(store::Turn& turn, const Key& key, WallTime now) {
    const ObjectPtr object = turn.get(key);
    locks_.read(key.text());
    if (!object) {
      forget(turn, key);
      held_.gone(turn, key);
      if (erase_nodes(turn, key, kErased)) look_at(key.text());
      return;
    }
    const auto known = going_.find(key.text());
    if (known != going_.end() && now < known->second.again_at) return;  // its timer comes
    if (known == going_.end() || object->revision != known->second.seen) {
      // New, or written by somebody else: what is stored says where it stands.
      const LockBook::Again again(locks_, turn, key);
      forget(turn, key);
      if (!begin(turn, object, now)) return;
    }
    Going& going = going_.at(key.text());
    if (env_.clock.now() >= going.progress_at) going.reminded = false;
    Run& run = *going.run;
    run.read_config(config_maps(turn, key));
    run.read_memory(memos_.recall(turn, key));
    run.share(&locks_.of(turn, key));
    size_t may = allow(going);
    for (const std::string& pod : std::exchange(going.pods, {})) tell(turn, going, pod, now);
    for (const ResourceSteps::News& news : resources_.take(key))
      run.pod(run.by_id(news.node_id), news.report, now);
    pods_left_ -= may - run.allowed();
    may = allow(going);  // also what has begun meanwhile
    run.go_on(now);
    carry_out(turn, key, going, now);
    pods_left_ -= may - run.allowed();
    if (run.more() && going.ahead < kAhead) look_at(key.text());
    if (!refused_) write_status(turn, object, going, now);
    run.read_config({});
    run.read_memory({});
    if (std::exchange(refused_, false)) {  // as on a full disk: what is stored says where it stands
      going.seen = Revision{};
      going.again_at = now + kAgain;
      timers_.emplace(going.again_at, key.text());
      return;
    }
    if (run.over()) return finished(turn, key, now);
    rearm(key, going);
  }

  // Returns whether it goes on.
  bool begin(store::Turn& turn, const ObjectPtr& object, WallTime now) {
    Json json = object->parse();
    const std::string_view phase = string_at(json, {"status", "phase"});
    if (phase == "Succeeded" || phase == "Failed" || phase == "Error") {
      look_after(turn, object->key, json, now);
      return false;
    }
    if (api::find(json, {"metadata", "deletionTimestamp"})) return false;
    const bool fresh = (phase.empty() || HeldRuns::was_held(json)) &&
                       string_at(json, {"status", "startedAt"}).empty();  // not one to be tried again
    if (fresh && erase_nodes(turn, object->key, kErased)) {               // of one of the same name before
      look_at(object->key.text());
      return false;
    }
    auto read = read_workflow(turn, object->key, json, flows_, locks_.of(turn, object->key));
    if (!read) {
      refuse(turn, object, std::move(json), read.error(), now);
      return false;
    }
    if (!may_begin(turn, object, json, *read, fresh, now)) return false;
    Going& going = going_[object->key.text()];
    going.run = std::move(read->run);
    going.seen = object->revision;
    ++stats_.runs;
    if (fresh) ++stats_.begun;
    Run& run = *going.run;
    run.read_memory(memos_.recall(turn, object->key));
    if (!fresh && !env_.faults.fires("pipelines.forget_nodes"))
      run.restore(stored_nodes(turn, object->key), now);
    if (read->stored) {
      // What templates of others said when it began.
      if (const auto put = turn.put(object->key, std::move(json), object->revision))
        going.seen = (*put)->revision;
      else
        refused_ = true;
    }
    const size_t may = fresh ? pods_left_ : 0;  // one that went on before: which pods wait is not known yet
    run.allow(may);
    run.set_suspended(read->suspended, now);
    run.go_on(now);
    pods_left_ -= may - run.allowed();
    for (size_t i = 0; i < run.nodes().size(); ++i)
      if (const workflow::Node& n = run.nodes()[i]; has_pod(n) && !fulfilled(n.phase) && !n.waits()) {
        const Key pod = pod_key(object->key, n);
        const bool known = turn.get(pod) != nullptr;
        expect(going, pod, {object->key.text(), NodeIndex(i), !known});
        if (known || !fresh) going.pods.insert(pod.text());
      }
    // Pods that it wants now do not exist yet, and are no news.
    for (const auto& wanted : run.wanted().pods)
      going.pods.erase(pod_key(object->key, run.nodes()[size_t(wanted.node)]).text());
    run.shut_down(read->shutdown, now);
    return true;
  }

  bool may_begin(store::Turn& turn, const ObjectPtr& object, const Json& json, const ReadWorkflow& read,
                 bool fresh, WallTime now) {
    const bool begun = !fresh && has_begun(turn, object->key, json);
    const auto answer = held_.ask(turn, object, json, read.run->flow().spec(), read.templates, begun, now);
    if (answer == HeldRuns::Answer::Refused) timers_.emplace(now + kAgain, object->key.text());
    if (answer != HeldRuns::Answer::Held || read.shutdown == workflow::Shutdown::No)
      return answer == HeldRuns::Answer::Begins;
    const ObjectPtr newest = turn.get(object->key);
    Json stopped = newest->parse();
    set_over(stopped, Phase::Failed, "stopped before it began", now);
    if (turn.put(newest->key, std::move(stopped), newest->revision)) held_.over(newest->key);
    return false;
  }

  Key pod_key(const Key& workflow, const workflow::Node& node) const {
    return {ClusterId{std::string(workflow.cluster())}, "pods", workflow.ns(),
            workflow::pod_name(workflow.name(), node)};
  }

  // How many nodes it may begin now.
  size_t allow(Going& going) const {
    const size_t ahead = going.ahead + going.run->wanted().pods.size();
    const size_t may = std::min(pods_left_, kAhead - std::min(ahead, kAhead));
    going.run->allow(may);
    return may;
  }
  void expect(Going& going, const Key& pod, PodOf of) {
    begun(going, pod.text());
    going.ahead += !of.begun;
    pods_[pod.text()] = std::move(of);
  }
  void begun(Going& going, const std::string& pod) {
    const auto known = pods_.find(pod);
    if (known != pods_.end() && !std::exchange(known->second.begun, true)) --going.ahead;
  }
  void drop(Going& going, const std::string& pod) {
    begun(going, pod);
    pods_.erase(pod);
  }

  void tell(store::Turn& turn, Going& going, const std::string& pod, WallTime now) {
    const auto known = pods_.find(pod);
    if (known == pods_.end()) return;
    const NodeIndex node = known->second.node;
    const ObjectPtr object = turn.get(Key(pod));
    if (!object) {
      drop(going, pod);
      return going.run->pod_gone(node, now);
    }
    const workflow::PodReport report = workflow::report_of(object->parse());
    if (report.phase != Phase::Pending) begun(going, pod);
    going.run->pod(node, report, now);
    if (object->marks.ended) drop(going, pod);
  }

  // Writes what the run wants, until it wants nothing more: a pod that may not be ends its node.
  void carry_out(store::Turn& turn, const Key& key, Going& going, WallTime now) {
    Run& run = *going.run;
    for (workflow::Wanted wanted = run.take(); wanted.anything(); wanted = run.take()) {
      for (const auto& pod : wanted.pods) make(turn, key, going, pod, now);
      for (const auto& resource : wanted.resources) {
        if (fulfilled(run.nodes()[size_t(resource.node)].phase)) continue;  // stopped before it began
        if (const auto begun = resources_.begin(turn, key, run, resource); !begun)
          run.pod(resource.node, {.phase = Phase::Error, .message = begun.error()}, now);
      }
      for (const NodeIndex node : wanted.stop) {
        resources_.stop(key, run.nodes()[size_t(node)].id);
        if (!has_pod(run.nodes()[size_t(node)])) continue;
        const Key pod = pod_key(key, run.nodes()[size_t(node)]);
        stop_pod(turn, pod, now);
        drop(going, pod.text());
      }
      going.untold |= !wanted.changed.empty();
      for (const NodeIndex node : wanted.changed)
        if (!put_node(turn, key, run.nodes(), node)) refused_ = true;
      collect_pods(turn, key, run, wanted, now);
      for (const Memos::Lost& lost : memos_.keep(turn, key, wanted.memos))
        run.not_memorized(lost.node, lost.why);
    }
  }

  void make(store::Turn& turn, const Key& key, Going& going, const workflow::Wanted::Pod& wanted,
            WallTime now) {
    Run& run = *going.run;
    const workflow::Node& node = run.nodes()[size_t(wanted.node)];
    const Key pod = pod_key(key, node);
    auto object = make_pod(run.flow(), run.facts(), node, wanted, pod_spec_);
    const bool gang = object && !string_at(*object, {"metadata", "labels", workflow::kGangLabel}).empty();
    if (object)
      api::set(*object, {"metadata", "annotations", kExperimentAnnotation},
               experiment_of(run.facts().name, run.facts().labels));
    const auto made = object ? create_pod(turn, env_, registry_, pod, *std::move(object))
                             : Result<void>(fail(Reason::Invalid, object.error()));
    if (!made && made.error().reason == Reason::ServiceUnavailable) {  // the store, and not the pod
      refused_ = true;
      return;
    }
    const bool stands = !made && made.error().reason == Reason::AlreadyExists;
    if (stands && !is_pod_of(turn, pod, run.facts().uid, node.id))
      return run.pod(wanted.node,
                     {.phase = Phase::Error,
                      .message = "pod " + std::string(pod.name()) +
                                 " exists and is not of this run: delete it, and retry"},
                     now);
    if (made || stands)
      expect(going, pod, {key.text(), wanted.node, gang});
    else
      run.pod(wanted.node, {.phase = Phase::Error, .message = made.error().message}, now);
    if (!stands) return;
    going.pods.insert(pod.text());  // of an attempt that was forgotten: it says how it is
    look_at(key.text());
  }

  // Whether the Workflow's podGC means this pod of its.
  bool collects(store::Turn& turn, const Run& run, const Key& pod) const {
    const Json* selector = api::find(run.flow().spec(), {"podGC", "labelSelector"});
    if (!selector) return true;
    const auto selects = api::LabelSelector::from_object(*selector);
    const ObjectPtr object = selects ? turn.get(pod) : nullptr;
    return object && selects->matches(api::object_at(object->parse(), {"metadata", "labels"}));
  }

  // Pods that nobody needs any more, as the Workflow's podGC says.
  void collect_pods(store::Turn& turn, const Key& key, const Run& run, const workflow::Wanted& wanted,
                    WallTime now) {
    const std::string_view strategy = string_at(run.flow().spec(), {"podGC", "strategy"});
    const bool every = strategy == "OnPodCompletion";
    if (!every && strategy != "OnPodSuccess") return;
    for (const NodeIndex i : wanted.changed) {
      const workflow::Node& n = run.nodes()[size_t(i)];
      if (has_pod(n) && fulfilled(n.phase) && (every || n.phase == Phase::Succeeded) &&
          collects(turn, run, pod_key(key, n)))
        delete_object(turn, pod_key(key, n), now);
    }
  }

  void write_status(store::Turn& turn, const ObjectPtr& object, Going& going, WallTime now) {
    const ObjectPtr newest = turn.get(object->key);
    if (!newest) return;
    const Instant at = env_.clock.now();
    const Phase phase = going.run->phase();
    const bool soon = at < going.progress_at;
    if (going.told == phase && newest->json.size() > kLarge && soon) return remind(object->key, going, now);
    Json json = newest->parse();
    going.told = phase;
    const bool changed = set_status(json, *going.run, now);
    if (!changed && !going.untold) return;
    // Who watches it is told of its nodes, too, now and then.
    if (!changed && soon) return remind(object->key, going, now);
    going.progress_at = at + kProgressEvery;
    going.untold = false;
    if (const auto put = turn.put(newest->key, std::move(json), newest->revision))
      going.seen = (*put)->revision;
    else
      refused_ = true;
  }

  void remind(const Key& key, Going& going, WallTime now) {
    going.untold = true;
    if (std::exchange(going.reminded, true)) return;
    timers_.emplace(now + std::chrono::ceil<WallTime::duration>(going.progress_at - env_.clock.now()),
                    key.text());
  }

  void finished(store::Turn& turn, const Key& key, WallTime now) {
    ++stats_.ended;
    const Run& run = *going_.at(key.text()).run;
    const std::string_view strategy = string_at(run.flow().spec(), {"podGC", "strategy"});
    if (strategy == "OnWorkflowCompletion" ||
        (strategy == "OnWorkflowSuccess" && run.phase() == Phase::Succeeded))
      for (const workflow::Node& n : run.nodes())
        if (has_pod(n) && collects(turn, run, pod_key(key, n))) delete_object(turn, pod_key(key, n), now);
    const ObjectPtr object = turn.get(key);
    forget(turn, key);
    if (object) look_after(turn, key, object->parse(), now);
  }

  // A Workflow that is over goes when its ttlStrategy says.
  void look_after(store::Turn& turn, const Key& key, const Json& json, WallTime now) {
    const auto due = expiry(json);
    if (!due) return;
    if (*due <= now) return delete_object(turn, key, now);
    timers_.emplace(*due, key.text());
  }

  void refuse(store::Turn& turn, const ObjectPtr& object, Json json, const std::string& why, WallTime now) {
    set_over(json, Phase::Failed, "invalid spec: " + why, now);
    if (!turn.put(object->key, std::move(json), object->revision))
      timers_.emplace(now + kAgain, object->key.text());
  }

  void forget(const store::Turn& turn, const Key& key) {
    locks_.forget(turn, key);
    resources_.forget(key);
    const auto known = going_.find(key.text());
    if (known == going_.end()) return;
    if (known->second.run) {
      for (const workflow::Node& n : known->second.run->nodes())
        if (has_pod(n) && !fulfilled(n.phase)) pods_.erase(pod_key(key, n).text());
      --stats_.runs;
    }
    going_.erase(known);
  }

  void rearm(const Key& key, Going& going) {
    const auto wake = going.run->wake_at();
    if (!wake || going.timer == wake) return;
    going.timer = wake;
    timers_.emplace(*wake, key.text());
  }

  env::Env& env_;
  store::Shard& shard_;
  const api::Registry& registry_;
  ResourceSteps resources_;
  HeldRuns held_;
  const api::Schema& pod_spec_;
  Flows flows_;
  LockBook locks_;
  Memos memos_{env_};
  HashMap<Going> going_;           // by the Workflow's key
  HashMap<PodOf> pods_;            // that run or will, by key
  std::deque<std::string> todo_;   // Workflows' keys, the first that came first …
  std::set<std::string> waiting_;  // … and the same by key
  size_t pods_left_ = 0;           // that this turn may begin
  bool refused_ = false;           // something that the run being looked at needs was not written
  std::multimap<WallTime, std::string> timers_;
  EngineStats stats_;
  std::optional<RowSweep> sweep_;
  store::Follower follower_;
};

Engine::Engine(env::Env& env, store::Shard& shard, const api::Registry& registry, Requests* requests,
               Judge judge)
    : impl_(std::make_unique<Impl>(env, shard, registry, requests, std::move(judge))) {}
Engine::~Engine() = default;
EngineStats Engine::stats() const { return impl_->stats(); }
void Engine::judge_again() { impl_->judge_again(); }

}  // namespace ingot::pipelines
