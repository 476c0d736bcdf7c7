#include "sim/checks.h"

#include <algorithm>

#include "base/time.h"
#include "scheduler/objects.h"

namespace ingot::sim {
namespace {

using api::Json;

// Every stored object of one resource, in all clusters.
template <class F>
void each(store::Turn& turn, std::string_view resource, F visit) {
  turn.range("", "", [&](const store::ObjectPtr& object) {
    if (object->key.resource() == resource) visit(*object, object->parse());
    return true;
  });
}

std::string text_at(const Json& value, std::initializer_list<std::string_view> path) {
  return std::string(api::string_at(value, path));
}

template <class F>
void for_devices(store::Turn& turn, F visit) {
  turn.range(api::type_prefix(kRootCluster, "resourceslices.resource.k8s.io"), "",
             [&](const store::ObjectPtr& object) {
               const Json slice = object->parse();
               for (const Json& device : api::array_at(slice, {"spec", "devices"})) visit(*object, device);
               return true;
             });
}

bool finished(const Json& pod) {
  const std::string_view phase = api::string_at(pod, {"status", "phase"});
  return phase == "Succeeded" || phase == "Failed";
}

}  // namespace

std::string replay_key(const Json& object) {
  return text_at(object, {"metadata", "annotations", "factory.ingot.dev/cluster"}) + "/" +
         text_at(object, {"metadata", "namespace"}) + "/" + text_at(object, {"metadata", "name"});
}

void Replay::reset(const api::JsonArray& items) {
  objects_.clear();
  for (const Json& item : items) event("ADDED", item);
}
void Replay::event(std::string_view type, Json object) {
  if (type == "DELETED")
    objects_.erase(replay_key(object));
  else
    objects_[replay_key(object)] = api::string_at(object, {"metadata", "resourceVersion"});
}

void StateChecks::violate(std::string what) {
  if (violations_.size() < 20 && std::find(violations_.begin(), violations_.end(), what) == violations_.end())
    violations_.push_back(std::move(what));
}

void StateChecks::look(store::Turn& turn, const Truth& truth, Instant now) {
  allocations(turn);
  read_pods(turn);
  unhealthy_devices(turn, now);
  note_states(truth);
}

void StateChecks::allocations(store::Turn& turn) {
  open_.clear();
  devices_.clear();
  turn.range(api::type_prefix(kRootCluster, "allocations.factory.ingot.dev"), "",
             [&](const store::ObjectPtr& object) {
               const Json allocation = object->parse();
               if (text_at(allocation, {"status", "phase"}) == "Released") return true;
               open_.emplace(object->key.name());
               for (const Json& device : api::array_at(allocation, {"spec", "devices"}))
                 devices_[std::string(object->key.name())].push_back(text_at(device, {"uuid"}));
               return true;
             });
}

StateChecks::PodFacts StateChecks::facts_of(const api::Object& object) {
  const Json pod = object.parse();
  PodFacts facts;
  facts.revision = object.revision;
  facts.uid = text_at(pod, {"metadata", "uid"});
  facts.phase = text_at(pod, {"status", "phase"});
  facts.bound = !api::string_at(pod, {"spec", "nodeName"}).empty();
  facts.deleting = api::find(pod, {"metadata", "deletionTimestamp"}) != nullptr;
  facts.finished = finished(pod);
  return facts;
}

void StateChecks::follow(const store::Change& change, const Truth& truth) {
  const api::Key& key = change.object->key;
  if (key.resource() == "pods" && !change.deleted) return note_state(facts_of(*change.object), truth);
  if (key.resource() != "allocations.factory.ingot.dev") return;
  const Json allocation = change.object->parse();
  for (const Json& device : api::array_at(allocation, {"spec", "devices"}))
    if (const std::string claim = text_at(device, {"claimUID"}); !claim.empty())
      claims_[std::string(key.name())].insert(claim);
  if (change.deleted || text_at(allocation, {"status", "phase"}) == "Released")
    open_.erase(std::string(key.name()));
  else
    open_.emplace(key.name());
}

bool StateChecks::share(const std::string& pod, const std::string& other) const {
  const auto mine = claims_.find(pod), theirs = claims_.find(other);
  return mine != claims_.end() && theirs != claims_.end() &&
         std::ranges::any_of(mine->second, [&](const std::string& c) { return theirs->second.contains(c); });
}

void StateChecks::read_pods(store::Turn& turn) {
  std::map<std::string, PodFacts> now;
  for (const std::string& cluster : clusters_)
    turn.range(api::type_prefix(ClusterId{cluster}, "pods"), "", [&](const store::ObjectPtr& object) {
      const auto known = pods_.find(object->key.text());
      if (known != pods_.end() && known->second.revision == object->revision) {
        now.insert(pods_.extract(known));
        return true;
      }
      now[object->key.text()] = facts_of(*object);
      return true;
    });
  pods_ = std::move(now);
}

// Who holds a board that its node calls unhealthy is told to leave.
void StateChecks::unhealthy_devices(store::Turn& turn, Instant now) {
  constexpr Duration kDrained = std::chrono::seconds(7);  // a commit may fail meanwhile and be repeated
  std::set<std::string> faulty;
  for_devices(turn, [&](const api::Object&, const Json& device) {
    if (!api::bool_at(device, {"attributes", "healthy", "bool"}, true))
      faulty.insert(text_at(device, {"attributes", "uuid", "string"}));
  });
  std::map<std::string, Instant> still;
  for (const auto& [key, pod] : pods_) {
    const auto held = devices_.find(pod.uid);
    if (held == devices_.end() || !pod.bound || pod.deleting || pod.finished) continue;
    if (std::ranges::none_of(held->second, [&](const std::string& uuid) { return faulty.contains(uuid); }))
      continue;
    const auto since = undrained_.find(pod.uid);
    const Instant first = since == undrained_.end() ? now : since->second;
    still.emplace(pod.uid, first);
    if (now - first > kDrained) violate("not drained: pod " + pod.uid + " stays on a board with a fault");
  }
  undrained_ = std::move(still);
}

void StateChecks::note_states(const Truth& truth) {
  for (const auto& [key, pod] : pods_) note_state(pod, truth);
}

void StateChecks::note_state(const PodFacts& pod, const Truth& truth) {
  std::string phase = pod.phase.empty() ? "Pending" : pod.phase;
  if (phase == "Pending" && pod.bound) phase = "Bound";
  states_.insert(phase + (pod.deleting ? " deleting" : "") + (open_.contains(pod.uid) ? " held" : "") +
                 (truth.runs(pod.uid) ? " sandbox" : ""));
}

const std::set<std::string>& reachable_states() {
  static const std::set<std::string> kStates = [] {
    std::set<std::string> states{"Pending", "Pending deleting"};
    for (const char* deleting : {"", " deleting"}) {
      for (const char* phase : {"Bound", "Running", "Succeeded", "Failed"}) {
        states.insert(std::string(phase) + deleting + " held");
        states.insert(std::string(phase) + deleting + " held sandbox");
      }
      for (const char* phase : {"Succeeded", "Failed"}) states.insert(std::string(phase) + deleting);
    }
    return states;
  }();
  return kStates;
}

void check_rest(store::Turn& turn, std::vector<std::string>& violations) {
  const auto restless = [&](const api::Object& object, const std::string& what) {
    if (violations.size() < 20) violations.push_back("no rest: " + object.key.text() + " " + what);
  };
  each(turn, "allocations.factory.ingot.dev", [&](const api::Object& object, const Json& allocation) {
    restless(object, "is still there, " + text_at(allocation, {"status", "phase"}));
  });
  each(turn, "pods", [&](const api::Object& object, const Json& pod) {
    if (api::find(pod, {"metadata", "deletionTimestamp"})) return restless(object, "is still being deleted");
    if (finished(pod)) return;
    const auto gang =
        scheduler::gang_of(pod);  // a gang that lost members before it started waits, and rightly
    const bool bound = !api::string_at(pod, {"spec", "nodeName"}).empty();
    const bool cheats =
        !text_at(pod, {"metadata", "labels", "cheat"}).empty();  // asks for what is not its own
    if ((gang || cheats) && !bound) return;
    restless(object,
             "is " + text_at(pod, {"status", "phase"}) + " on '" + text_at(pod, {"spec", "nodeName"}) + "'");
  });
  each(turn, "resourceclaims.resource.k8s.io", [&](const api::Object& object, const Json& claim) {
    for (const Json& user : api::array_at(claim, {"status", "reservedFor"}))
      restless(object, "is held by pod " + text_at(user, {"name"}) + ", which has ended");
  });
  for_devices(turn, [&](const api::Object& object, const Json& device) {
    if (!api::bool_at(device, {"attributes", "healthy", "bool"}, true))
      restless(object, "has " + text_at(device, {"name"}) + ", " +
                           text_at(device, {"attributes", "unhealthyReason", "string"}));
  });
  each(turn, "jobs.batch", [&](const api::Object& object, const Json& job) {
    for (const Json& condition : api::array_at(job, {"status", "conditions"})) {
      const std::string_view type = api::string_at(condition, {"type"});
      if ((type == "Complete" || type == "Failed") && api::string_at(condition, {"status"}) == "True") return;
    }
    restless(object, "is neither complete nor failed");
  });
}

// While the control plane is away nobody is charged anew for what pods share.
constexpr Duration kCharged = std::chrono::seconds(60);

void check_ledger(const std::vector<store::StoredRow>& rows, const Truth& truth, const StateChecks& state,
                  std::vector<std::string>& violations) {
  struct Interval {
    WallTime from, to;
    std::string pod;
  };
  std::map<std::string, std::vector<Interval>> by_device;
  std::map<std::string, int> count;
  const auto violate = [&](std::string what) {
    if (violations.size() < 20) violations.push_back(std::move(what));
  };
  for (const auto& stored : rows) {
    const Result<Json> row = api::parse_json(stored.row.data);
    if (!row) return violate("a ledger row that is not JSON");
    const std::string device = text_at(*row, {"device"}), pod = text_at(*row, {"podUID"});
    if (!device.starts_with("GPU-")) continue;
    const auto from = parse_rfc3339(api::string_at(*row, {"from"})),
               to = parse_rfc3339(api::string_at(*row, {"to"}));
    if (!from || !to || *to < *from) return violate("a ledger row with a wrong interval: " + stored.row.data);
    by_device[device].push_back({*from, *to, pod});
    if (++count[pod + "/" + device] > 1) violate("metered twice: pod " + pod + " on " + device);
  }
  for (auto& [device, intervals] : by_device) {
    std::sort(intervals.begin(), intervals.end(),
              [](const auto& a, const auto& b) { return a.from < b.from; });
    for (size_t i = 1; i < intervals.size(); ++i)
      if (intervals[i].from < intervals[i - 1].to)
        violate("metered together: pods " + intervals[i - 1].pod + " and " + intervals[i].pod + " on " +
                device);
  }
  for (const Held& held : truth.held()) {
    const auto& intervals = by_device[held.device];
    // Of pods that share a claim one is charged at a time, and the next a moment after the last.
    WallTime from = held.from;
    Duration late{};
    bool met = false;
    for (const Interval& i : intervals) {
      const bool shared = state.share(i.pod, held.pod_uid);
      if (i.pod != held.pod_uid && !shared) continue;
      if (shared) late = kCharged;
      if (i.from > from + late) continue;
      met = true;
      from = std::max(from, i.to);
    }
    const bool covered = met && from + late >= held.to.value_or(held.from);
    if (!covered)
      violate("held and not metered: pod " + held.pod_uid + " on " + held.device + " from " +
              to_rfc3339_micro(held.from));
  }
}

}  // namespace ingot::sim
