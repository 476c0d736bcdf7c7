#include "controllers/idleness.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "controllers/eviction.h"
#include "controllers/placement_writes.h"
#include "scheduler/objects.h"
#include "store/follower.h"

namespace ingot::controllers {
namespace {

using api::Json;
using api::JsonObject;
using api::Key;
using api::ObjectPtr;
using api::string_at;
using std::chrono::microseconds;

constexpr std::string_view kNodes = "nodes", kPools = "pools.factory.ingot.dev";
constexpr std::string_view kComponent = "ingot-idleness";

Key root_key(std::string_view resource, std::string_view name) { return {kRootCluster, resource, "", name}; }

struct Part {
  std::string gpu, profile;  // profile: of a MIG instance, "" for the board …
  int start = -1;            // … and where it begins
};

// Percent of the time that a held part worked; none: nobody says.
std::optional<int> busy(const gpu::Sample& sample, const Part& part) {
  if (part.profile.empty()) return sample.utilisation;
  for (const gpu::InstanceSample& i : sample.instances)
    if (i.profile == part.profile && i.start == part.start && i.active) return int(*i.active * 100 + 0.5);
  return std::nullopt;
}

}  // namespace

class Idleness::Impl final : store::Follower::Handler {
 public:
  Impl(env::Env& env, store::Shard& shard, const gpu::Telemetry& telemetry, IdlenessOptions options)
      : env_(env),
        telemetry_(telemetry),
        options_(options),
        follower_(env, shard,
                  store::later({{kRootCluster.value, std::string(kAllocations), ""},
                                {kRootCluster.value, std::string(kNodes), ""},
                                {kRootCluster.value, std::string(kPools), ""}}),
                  *this) {}

  Stats stats() const {
    Stats s = stats_;
    s.idle = size_t(std::ranges::count_if(held_, [](const auto& h) { return h.second.since.has_value(); }));
    return s;
  }
  std::optional<WallTime> idle_since(std::string_view uid) const {
    const auto found = held_.find(uid);
    return found == held_.end() ? std::nullopt : found->second.since;
  }

 private:
  struct Held {
    std::string node;
    std::vector<Part> parts;
    bool evictable = true;
    std::optional<WallTime> since;  // unused without a break
    bool written = false;           // `since` stands in the Allocation
    bool reported = false;          // and in the pod
  };

  void reset() override {
    held_.clear();
    pool_of_.clear();
    pools_.clear();
    unread_.clear();
    next_.clear();
  }

  bool follow(store::Turn& turn, const std::vector<Key>& changed, bool rest) override {
    for (const Key& key : changed) load(turn, key);
    if (rest || (held_.empty() && unread_.empty())) return false;
    const Instant now = env_.clock.now();
    if (next_.empty() && now < due_) {
      follower_.wake_at(due_);
      return false;
    }
    return look(turn, now);
  }

  void load(store::Turn& turn, const Key& key) {
    ObjectPtr object = turn.get(key);
    const std::string name(key.name());
    if (key.resource() == kAllocations) {
      if (!object && !held_.contains(name))
        unread_.erase(name);
      else
        unread_.insert_or_assign(name, std::move(object));
      return;
    }
    const Json json = object ? object->parse() : Json{};
    if (key.resource() == kNodes) {
      pool_of_[name] = string_at(json, {"metadata", "labels", scheduler::kPoolLabel});
      if (pool_of_[name].empty()) pool_of_.erase(name);
      return;
    }
    // What a pool says wrong was refused when it was written.
    const auto policy = policy::idle_policy(std::string(string_at(json, {"spec", "idle", "after"})),
                                            api::bool_at(json, {"spec", "idle", "reclaim"}));
    if (policy && api::find(json, {"spec", "idle"}))
      pools_.insert_or_assign(name, *policy);
    else
      pools_.erase(name);
  }

  // `json`: null where it is gone.
  void load_allocation(const std::string& uid, const Json& json) {
    scheduler::Allocation allocation;
    if (!json.is_null() && string_at(json, {"status", "phase"}) != "Released")
      allocation = scheduler::allocation_from(json);
    if (allocation.devices.empty()) {  // what it shares by a claim is idle for who is charged
      held_.erase(uid);
      return;
    }
    const auto [at, fresh] = held_.try_emplace(uid);
    Held& held = at->second;
    held.node = allocation.node;
    held.evictable = allocation.work.preemptible;
    held.parts.clear();
    for (const scheduler::Held& d : allocation.devices) held.parts.push_back({d.uuid, d.profile, d.start});
    if (!fresh) return;
    held.since = parse_rfc3339(string_at(json, {"status", "idle", "since"}));
    held.written = held.since.has_value();
  }

  // A round over all Allocations, some in every turn: first those are read that changed since the last one, so that what
  // comes and goes meanwhile costs nothing. Returns whether it goes on.
  bool look(store::Turn& turn, Instant now) {
    for (size_t n = 0; n < options_.allocations_per_turn && !unread_.empty(); ++n) {
      const auto unread = unread_.extract(unread_.begin());
      load_allocation(unread.key(), unread.mapped() ? unread.mapped()->parse() : Json{});
    }
    if (!unread_.empty()) return true;
    auto at = held_.lower_bound(next_);
    looked_at_.clear();
    for (size_t n = 0; n < options_.allocations_per_turn && at != held_.end(); ++n, ++at)
      judge(turn, at->first, at->second, now);
    if (at != held_.end()) {
      next_ = at->first;
      return true;
    }
    next_.clear();
    due_ = now + options_.every;
    follower_.wake_at(due_);
    return false;
  }

  // None: nobody knows.
  std::optional<bool> unused(const Held& held, Instant now) {
    const auto [at, fresh] = looked_at_.try_emplace(held.node);
    if (fresh) at->second = telemetry_.look(held.node, now);
    const gpu::Telemetry::Look& seen = at->second;
    for (const Part& part : held.parts) {
      const auto sample = std::ranges::find(seen.samples, part.gpu, &gpu::Sample::uuid);
      if (sample == seen.samples.end()) return std::nullopt;
      const auto percent = busy(*sample, part);
      if (!percent) return std::nullopt;
      if (*percent > policy::kIdlePercent) return false;
    }
    return true;
  }

  void judge(store::Turn& turn, const std::string& uid, Held& held, Instant now) {
    const WallTime wall = env_.clock.wall();
    if (!unused(held, now).value_or(false)) {
      if (held.since) used_again(turn, uid, held, wall);
      return;
    }
    if (!held.since) held.since = wall;
    if (!held.written && wall - *held.since >= policy::kIdleNotice)
      held.written = write_idle(turn, uid, JsonObject{{"since", to_rfc3339_micro(*held.since)}}, {});
    const policy::IdlePolicy& limit = policy_of(held.node);
    const auto verdict = policy::judge_idle(limit, *held.since, held.evictable, wall);
    if (verdict.report && !held.reported) held.reported = report(turn, uid, held, verdict, wall);
    if (verdict.reclaim) reclaim(turn, uid, held, limit, wall);
  }

  const policy::IdlePolicy& policy_of(const std::string& node) const {
    const auto pool = pool_of_.find(node);
    const auto found = pool == pool_of_.end() ? pools_.end() : pools_.find(pool->second);
    return found == pools_.end() ? options_.policy : found->second;
  }

  void used_again(store::Turn& turn, const std::string& uid, Held& held, WallTime now) {
    if (held.written && !write_idle(turn, uid, JsonObject{}, now - *held.since)) return;
    if (held.reported) set_condition_of(turn, uid, "False", "Used", "its GPUs are used again", now);
    held.since.reset();
    held.written = held.reported = false;
  }

  // Replaces what `status.idle` says of now, and adds to what it says of before.
  bool write_idle(store::Turn& turn, const std::string& uid, JsonObject idle, microseconds more) {
    const ObjectPtr object = turn.get(root_key(kAllocations, uid));
    if (!object) return true;
    Json allocation = object->parse();
    const int64_t before = api::int_at(allocation, {"status", "idle", "seconds"}).value_or(0);
    idle["seconds"] = before + std::chrono::duration_cast<std::chrono::seconds>(more).count();
    api::set(allocation, {"status", "idle"}, std::move(idle));
    return turn.put(object->key, std::move(allocation), object->revision).has_value();
  }

  ObjectPtr pod_of(store::Turn& turn, const std::string& uid) {
    const ObjectPtr allocation = turn.get(root_key(kAllocations, uid));
    return allocation ? evictable_pod(turn, allocation->parse()) : nullptr;
  }

  bool set_condition_of(store::Turn& turn, const std::string& uid, std::string_view status,
                        std::string_view reason, std::string_view message, WallTime now) {
    const ObjectPtr object = pod_of(turn, uid);
    if (!object) return true;
    Json pod = object->parse();
    set_condition(pod, kGpuIdle, status, reason, message, now);
    return turn.put(object->key, std::move(pod), object->revision).has_value();
  }

  static bool reported_before(const Json& pod) {
    return std::ranges::any_of(api::array_at(pod, {"status", "conditions"}), [](const Json& c) {
      return string_at(c, {"type"}) == kGpuIdle && string_at(c, {"status"}) == "True";
    });
  }

  static std::string since_text(const Held& held, WallTime now) {
    return fmt::format("{} unused for {}", held.parts.size() == 1 ? "its GPU is" : "its GPUs are",
                       human_duration(now - *held.since));
  }

  bool report(store::Turn& turn, const std::string& uid, const Held& held, const policy::IdleVerdict& verdict,
              WallTime now) {
    const ObjectPtr object = pod_of(turn, uid);
    if (!object) return true;
    if (reported_before(object->parse())) return true;
    const std::string then = verdict.reclaimed_at
                                 ? "taken back at " + to_rfc3339(*verdict.reclaimed_at) + " unless used"
                                 : "nobody else can have them meanwhile";
    const std::string message = since_text(held, now) + "; " + then;
    if (!set_condition_of(turn, uid, "True", "Unused", message, now)) return false;
    say(turn, {object->key, "Pod", uid, "Warning", "GPUIdle", message, kComponent}, now);
    ++stats_.reported;
    return true;
  }

  // Tried again with the next round if it cannot be written.
  void reclaim(store::Turn& turn, const std::string& uid, const Held& held, const policy::IdlePolicy& limit,
               WallTime now) {
    const ObjectPtr object = pod_of(turn, uid);
    if (!object) return;
    const std::string message =
        since_text(held, now) + fmt::format(", more than the pool's {}", human_duration(limit.after));
    if (!evict_pod(turn, object,
                   {.reason = "IdleGPUReclaimed",
                    .message = message,
                    .event_type = "Warning",
                    .event = "IdleGPUReclaimed",
                    .component = kComponent},
                   now))
      return;
    ++stats_.reclaimed;
    env_.log.info("gpu.idle_reclaimed", {{"node", held.node}, {"pod", uid}});
  }

  env::Env& env_;
  const gpu::Telemetry& telemetry_;
  const IdlenessOptions options_;
  std::map<std::string, Held, std::less<>> held_;          // by pod uid; with devices
  std::map<std::string, ObjectPtr> unread_;                // Allocations by pod uid; null: gone
  std::map<std::string, std::string> pool_of_;             // by node
  std::map<std::string, policy::IdlePolicy> pools_;        // those that say something
  std::map<std::string, gpu::Telemetry::Look> looked_at_;  // in this turn, by node
  std::string next_;                                       // where the round goes on; "": it begins
  Instant due_{};                                          // the next round
  Stats stats_;
  store::Follower follower_;  // last: what it calls outlives it
};

Idleness::Idleness(env::Env& env, store::Shard& shard, const gpu::Telemetry& telemetry,
                   IdlenessOptions options)
    : impl_(std::make_unique<Impl>(env, shard, telemetry, options)) {}
Idleness::~Idleness() = default;
Idleness::Stats Idleness::stats() const { return impl_->stats(); }
std::optional<WallTime> Idleness::idle_since(std::string_view uid) const { return impl_->idle_since(uid); }

}  // namespace ingot::controllers
