#include "controllers/node_lifecycle.h"

#include <algorithm>
#include <map>
#include <set>

#include "controllers/eviction.h"
#include "controllers/node_health.h"
#include "controllers/placement_writes.h"
#include "scheduler/objects.h"
#include "store/follower.h"

namespace ingot::controllers {
namespace {

using api::Json;
using api::Key;
using api::ObjectPtr;
using api::string_at;

constexpr std::string_view kNodes = "nodes";
constexpr std::string_view kLeases = "leases.coordination.k8s.io", kLeaseNamespace = "kube-node-lease";
constexpr std::string_view kComponent = "ingot-node-lifecycle";

Key root_key(std::string_view resource, std::string_view name, std::string_view ns = "") {
  return {kRootCluster, resource, ns, name};
}

}  // namespace

class NodeLifecycle::Impl final : store::Follower::Handler {
 public:
  Impl(env::Env& env, store::Shard& shard, NodeLifecycleOptions options)
      : env_(env),
        options_(options),
        follower_(env, shard,
                  {{{kRootCluster.value, std::string(kNodes), ""},
                    {kRootCluster.value, std::string(kLeases), std::string(kLeaseNamespace)},
                    {kRootCluster.value, std::string(kAllocations), ""}},
                   store::kFewKeys},
                  *this) {}
  uint64_t evicted() const { return evicted_; }

 private:
  // When a node was last heard, by our clock and by its own.
  struct Beat {
    std::string renewed;
    std::optional<WallTime> said;
    Instant seen;
    bool heard = false;  // it was renewed while we looked: a Lease found at the start may be old
  };

  // What was heard stays heard; the rest comes again.
  void reset() override {
    held_.clear();
    holder_.clear();
    silent_.clear();
    due_.clear();
    by_time_.clear();
  }

  bool follow(store::Turn& turn, const std::vector<Key>& changed, bool) override {
    for (const Key& key : changed) load(turn, key);
    const Instant now = env_.clock.now();
    for (size_t n = 0; n < options_.nodes_per_turn; ++n) {
      if (by_time_.empty() || by_time_.begin()->first > now) break;
      const std::string name = by_time_.begin()->second;
      by_time_.erase(by_time_.begin());
      due_.erase(name);
      if (const auto next = check(turn, name, now)) check_at(name, *next);
    }
    if (by_time_.empty()) return false;
    if (by_time_.begin()->first <= now) return true;
    follower_.wake_at(by_time_.begin()->first);
    return false;
  }

  void check_at(const std::string& name, Instant when) {
    const auto [at, fresh] = due_.try_emplace(name, when);
    if (!fresh) {
      if (at->second <= when) return;
      by_time_.erase({at->second, name});
      at->second = when;
    }
    by_time_.emplace(when, name);
  }

  void load(store::Turn& turn, const Key& key) {
    const Instant now = env_.clock.now();
    const ObjectPtr object = turn.get(key);
    const std::string name(key.name());
    if (key.resource() == kAllocations) return load_allocation(turn, name, object);
    const bool fresh = beats_.try_emplace(name, Beat{.seen = now}).second;
    if (key.resource() == kNodes) return check_at(name, now);
    if (object) hear(beats_[name], object->parse(), now);
    if (fresh || silent_.contains(name)) check_at(name, now);  // else the check that is due will see it
  }

  static void hear(Beat& beat, const Json& lease, Instant now) {
    const std::string_view renewed = string_at(lease, {"spec", "renewTime"});
    if (beat.renewed == renewed) return;
    beat = {std::string(renewed), parse_rfc3339(renewed), now, !beat.renewed.empty()};
  }

  void load_allocation(store::Turn& turn, const std::string& uid, const ObjectPtr& object) {
    const bool open = object && !(object->mentions("\"Released\"") &&
                                  string_at(object->parse(), {"status", "phase"}) == "Released");
    const std::string node = open ? object->node : "";
    if (const auto held = holder_.find(uid); held != holder_.end() && held->second != node) {
      if (auto& others = held_[held->second]; others.erase(uid), others.empty()) held_.erase(held->second);
      holder_.erase(held);
    }
    if (node.empty()) return;
    holder_[uid] = node;
    held_[node].insert(uid);
    const Instant now = env_.clock.now();
    const bool fresh = beats_.try_emplace(node, Beat{.seen = now}).second;
    if (fresh || silent_.contains(node) || is_gone_or_tainted(turn, node)) check_at(node, now);
  }

  // Else a new pod there is nothing that could not wait for the check that is due.
  static bool is_gone_or_tainted(store::Turn& turn, const std::string& name) {
    const ObjectPtr node = turn.get(root_key(kNodes, name));
    return !node || node->mentions("\"taints\"");
  }

  // Returns when to look at the node again.
  std::optional<Instant> check(store::Turn& turn, const std::string& name, Instant now) {
    const ObjectPtr object = turn.get(root_key(kNodes, name));
    const Instant silent_at = beats_[name].seen + options_.silence;
    bool silent = silent_at <= now;
    if (!object) {
      silent_.erase(name);
      if (!held_.contains(name)) {
        beats_.erase(name);
        return std::nullopt;
      }
      if (!silent) return silent_at;
      release_all(turn, name);
      return std::nullopt;
    }
    Json node = object->parse();
    const WallTime wall = env_.clock.wall();
    silent |= is_silent(node) && !beats_[name].heard;
    if (silent)
      silent_.insert(name);
    else
      silent_.erase(name);
    bool changed = false;
    if (silent != is_silent(node)) {
      silent ? mark_silent(node, wall) : mark_heard(node, wall);
      changed = true;
      silent ? say_silent(turn, name, node, wall) : say_heard(turn, name, node, wall);
    }
    changed |= settle_taints(node, wall);
    if (changed && !turn.put(object->key, node, object->revision)) return now + std::chrono::seconds(1);
    std::optional<Instant> next;
    if (!silent) next = silent_at;
    if (const auto due = visit_pods(turn, name, node, silent, wall)) {
      const Instant at = now + std::max<Duration>(*due - wall, std::chrono::milliseconds(1));
      next = next ? std::min(*next, at) : at;
    }
    return next;
  }

  void say_silent(store::Turn& turn, const std::string& name, const Json& node, WallTime now) {
    say(turn,
        {root_key(kNodes, name), "Node", string_at(node, {"metadata", "uid"}), "Warning", "NodeNotReady",
         "Node " + name + " has not renewed its lease; its state is unknown", kComponent},
        now);
    env_.log.warn("node.silent", {{"node", name}});
  }

  void say_heard(store::Turn& turn, const std::string& name, const Json& node, WallTime now) {
    say(turn,
        {root_key(kNodes, name), "Node", string_at(node, {"metadata", "uid"}), "Normal", "NodeReady",
         "Node " + name + " renews its lease again; it serves", kComponent},
        now);
    env_.log.info("node.heard_again", {{"node", name}});
  }

  // --- pods ---

  // Evicts whose time has come, marks the others not ready where the node is silent; returns the next eviction.
  std::optional<WallTime> visit_pods(store::Turn& turn, const std::string& name, const Json& node,
                                     bool silent, WallTime now) {
    std::optional<WallTime> next;
    const auto held = held_.find(name);
    if (held == held_.end() || api::array_at(node, {"spec", "taints"}).empty()) return next;
    for (const std::string& uid : held->second) {
      const ObjectPtr allocation = turn.get(root_key(kAllocations, uid));
      if (!allocation) continue;
      const Json spec = allocation->parse();
      const ObjectPtr object = evictable_pod(turn, spec);
      if (!object) continue;
      Json pod = object->parse();
      const auto due = eviction_time(node, pod);
      if (due && *due <= now) {
        if (evict(turn, object, name, silent, now))
          ++evicted_;
        else
          next = now + std::chrono::seconds(1);
        continue;
      }
      if (due) next = next ? std::min(*next, *due) : *due;
      if (silent) mark_unready(turn, object, std::move(pod), now);
    }
    return next;
  }

  bool evict(store::Turn& turn, const ObjectPtr& object, const std::string& node, bool silent, WallTime now) {
    const std::string message =
        silent ? "Taint manager: node " + node + " is silent for longer than the pod tolerates"
               : "Taint manager: deleting due to NoExecute taint of node " + node;
    return evict_pod(turn, object,
                     {.reason = "DeletionByTaintManager",
                      .message = message,
                      .event_type = "Warning",
                      .event = "TaintManagerEviction",
                      .component = kComponent},
                     now);
  }

  void mark_unready(store::Turn& turn, const ObjectPtr& object, Json pod, WallTime now) {
    for (const Json& c : api::array_at(pod, {"status", "conditions"})) {
      if (string_at(c, {"type"}) != "Ready" || string_at(c, {"status"}) != "True") continue;
      set_condition(pod, "Ready", "False", "NodeNotReady", "the pod's node is silent", now);
      (void)turn.put(object->key, std::move(pod),
                     object->revision);  // fails on a full disk; the next visit repeats it
      return;
    }
  }

  // --- a node that will not come back ---

  void release_all(store::Turn& turn, const std::string& name) {
    const WallTime to = beats_[name].said.value_or(env_.clock.wall());
    for (const std::string& uid : held_[name]) {
      const ObjectPtr object = turn.get(root_key(kAllocations, uid));
      if (!object) continue;
      Json allocation = object->parse();
      if (string_at(allocation, {"status", "phase"}) == "Released") continue;
      api::set(allocation, {"status", "phase"}, "Released");
      api::set(allocation, {"status", "to"}, to_rfc3339_micro(to));
      if (!turn.put(object->key, std::move(allocation), object->revision)) {
        check_at(name, env_.clock.now() + std::chrono::seconds(1));
        return;
      }
      env_.log.info("allocation.closed_with_node", {{"node", name}, {"pod", uid}});
    }
  }

  env::Env& env_;
  const NodeLifecycleOptions options_;
  std::map<std::string, Beat> beats_;
  std::map<std::string, std::set<std::string>> held_;  // node → uids of open Allocations
  std::map<std::string, std::string> holder_;          // uid → node
  std::set<std::string> silent_;
  std::map<std::string, Instant> due_;  // node → when to look at it
  std::set<std::pair<Instant, std::string>> by_time_;
  uint64_t evicted_ = 0;
  store::Follower follower_;  // last: what it calls outlives it
};

NodeLifecycle::NodeLifecycle(env::Env& env, store::Shard& shard, NodeLifecycleOptions options)
    : impl_(std::make_unique<Impl>(env, shard, options)) {}
NodeLifecycle::~NodeLifecycle() = default;
uint64_t NodeLifecycle::evicted() const { return impl_->evicted(); }

}  // namespace ingot::controllers
