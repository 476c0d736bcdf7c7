#include "sim/scheduling_checks.h"

#include <algorithm>

#include "gpu/mig.h"
#include "scheduler/objects.h"
#include "sim/user.h"

namespace ingot::sim {
namespace {

using api::Json;
using api::string_at;

// A Job has three pods at most, and a run some hundred requests: one that gives way more often does so in a ring.
constexpr size_t kMostEvictions = 36;

template <class F>
void each(store::Turn& turn, const ClusterId& cluster, std::string_view resource, F visit) {
  turn.range(api::type_prefix(cluster, resource), "", [&](const store::ObjectPtr& object) {
    visit(*object);
    return true;
  });
}

std::set<std::string> names(const Json& object) {
  std::set<std::string> out;
  for (const Json& name : api::array_at(object, {"spec", "tenants"}))
    if (name.is_string()) out.emplace(name.get_string());
  return out;
}

std::string gpus(int64_t milli) {
  return std::to_string(milli / 1000) + (milli % 1000 ? "." + std::to_string(milli % 1000) : "");
}

}  // namespace

void SchedulingChecks::violate(std::string what) {
  if (violations_.size() < 20 && std::ranges::find(violations_, what) == violations_.end())
    violations_.push_back(std::move(what));
}

void SchedulingChecks::look(store::Turn& turn) {
  factory(turn);
  allocations(turn);
  pods(turn);
  gangs();
  claims(turn);
  gates(turn);
}

void SchedulingChecks::factory(store::Turn& turn) {
  tenants_.clear();
  queues_.clear();
  pools_.clear();
  const auto gpu_limit = [](const Json& spec, std::initializer_list<std::string_view> path) {
    const auto n = api::int_at(spec, path);
    return n ? std::optional(*n * 1000) : std::nullopt;
  };
  each(turn, kRootCluster, "tenants.factory.ingot.dev", [&](const api::Object& object) {
    const Json tenant = object.parse();
    tenants_[std::string(object.key.name())] = {gpu_limit(tenant, {"spec", "gpus", "limit"}),
                                                std::string(string_at(tenant, {"spec", "queue"}))};
  });
  each(turn, kRootCluster, "queues.factory.ingot.dev", [&](const api::Object& object) {
    const Json queue = object.parse();
    queues_[std::string(object.key.name())] = {std::string(string_at(queue, {"spec", "parent"})),
                                               gpu_limit(queue, {"spec", "limit", "gpus"}), names(queue)};
  });
  each(turn, kRootCluster, "pools.factory.ingot.dev", [&](const api::Object& object) {
    const Json pool = object.parse();
    pools_[std::string(object.key.name())] = {api::bool_at(pool, {"spec", "dedicated"}), names(pool)};
  });
  each(turn, kRootCluster, "nodes", [&](const api::Object& object) {
    pool_of_[std::string(object.key.name())] =
        string_at(object.parse(), {"metadata", "labels", scheduler::kPoolLabel});
  });
}

// --- what is held ---

void SchedulingChecks::allocations(store::Turn& turn) {
  std::map<std::string, std::vector<Part>> boards;
  std::map<std::string, int64_t> by_tenant, by_queue;
  each(turn, kRootCluster, "allocations.factory.ingot.dev", [&](const api::Object& object) {
    const Json allocation = object.parse();
    if (string_at(allocation, {"status", "phase"}) == "Released") return;
    place(allocation);
    const std::string tenant(string_at(allocation, {"spec", "tenant"}));
    const std::string queue(string_at(allocation, {"spec", "work", "queue"}));
    for (const Json& device : api::array_at(allocation, {"spec", "devices"})) {
      Part part{std::string(object.key.name()),
                std::string(string_at(device, {"model"})),
                std::string(string_at(device, {"profile"})),
                api::int_at(device, {"milli"}).value_or(1000),
                int(api::int_at(device, {"start"}).value_or(-1)),
                std::string(string_at(device, {"claimUID"})),
                api::bool_at(device, {"charged"}, true)};
      const int64_t milli = gpu::board_milli(part.model, part.profile, int32_t(part.milli));
      by_tenant[tenant] += part.charged ? milli : 0;
      by_queue[queue.empty() ? tenants_[tenant].queue : queue] += part.charged ? milli : 0;
      boards[std::string(string_at(device, {"uuid"}))].push_back(std::move(part));
    }
  });
  for (const auto& [uuid, parts] : boards) board(uuid, parts);
  limits(by_tenant, by_queue);
}

bool SchedulingChecks::overlap(const Part& a, const Part& b) {
  const auto units = [](const Part& p) {
    const gpu::Profile* profile = gpu::find_profile(p.model, p.profile);
    return profile ? profile->at(p.start) : gpu::UnitMask(0xff);
  };
  return (units(a) & units(b)) != 0;
}

// Whole, or shares of it, or instances that do not overlap and, each, their shares.
void SchedulingChecks::board(const std::string& uuid, const std::vector<Part>& parts) {
  std::map<std::pair<std::string, int>, int64_t> instances;  // "" and -1: the board as it is
  for (const Part& p : parts)
    if (p.charged) instances[{p.profile, p.start}] += p.milli;
  gpu::UnitMask taken = 0;
  bool twice = false;
  // Who has it by a claim has it with nobody but the others of that claim.
  for (const Part& joined : parts)
    for (const Part& other : parts)
      twice = twice || (!joined.charged && joined.claim != other.claim && overlap(joined, other));
  for (const auto& [instance, milli] : instances) {
    const gpu::Profile* profile = gpu::find_profile(parts.front().model, instance.first);
    const gpu::UnitMask mine = profile ? profile->at(instance.second) : gpu::UnitMask(0xff);
    twice = twice || milli > 1000 || (taken & mine) != 0;
    taken |= mine;
  }
  if (twice)
    violate("allocated twice: " + uuid + " to pods " + parts.front().pod + " and " + parts.back().pod);
}

void SchedulingChecks::place(const Json& allocation) {
  const std::string tenant(string_at(allocation, {"spec", "tenant"}));
  const std::string pod = tenant + "/" + std::string(string_at(allocation, {"spec", "pod"}));
  const auto pool = pools_.find(pool_of_[std::string(string_at(allocation, {"spec", "node"}))]);
  if (pool != pools_.end() && pool->second.closed && !pool->second.tenants.contains(tenant))
    violate("pool entered: " + pod + " runs in " + pool->first);
  const std::string queue(string_at(allocation, {"spec", "work", "queue"}));
  bool open = queue.empty();
  for (auto at = queues_.find(queue); at != queues_.end() && !open; at = queues_.find(at->second.parent))
    open = at->second.tenants.contains(tenant);
  if (!open) violate("queue not open: " + pod + " runs in " + queue);
}

void SchedulingChecks::limits(const std::map<std::string, int64_t>& by_tenant,
                              const std::map<std::string, int64_t>& by_queue) {
  const auto judge = [&](const std::string& who, int64_t held, std::optional<int64_t> limit) {
    if (limit && held > *limit)
      violate("quota exceeded: " + who + " holds " + gpus(held) + " of " + gpus(*limit) + " GPUs");
  };
  for (const auto& [tenant, held] : by_tenant) judge("tenant " + tenant, held, tenants_[tenant].limit);
  std::map<std::string, int64_t> sums;
  for (const auto& [queue, held] : by_queue) {
    size_t steps = 0;
    for (auto at = queues_.find(queue); at != queues_.end() && steps < 16; ++steps) {
      sums[at->first] += held;
      at = queues_.find(at->second.parent);
    }
  }
  for (const auto& [queue, held] : sums) judge("queue " + queue, held, queues_[queue].limit);
}

// --- pods ---

SchedulingChecks::Pod SchedulingChecks::read(const api::Object& object) {
  const Json json = object.parse();
  Pod pod{.revision = object.revision, .uid = std::string(string_at(json, {"metadata", "uid"}))};
  const std::string_view phase = string_at(json, {"status", "phase"});
  pod.bound = !string_at(json, {"spec", "nodeName"}).empty();
  pod.deleting = api::find(json, {"metadata", "deletionTimestamp"}) != nullptr;
  pod.finished = phase == "Succeeded" || phase == "Failed";
  if (const auto gang = scheduler::gang_of(json); gang && !gang->name.empty()) {
    pod.gang = std::string(object.key.cluster()) + "/" + std::string(object.key.ns()) + "/" + gang->name;
    pod.gang_size = gang->size;
    pod.gang_least = gang->least;
  }
  for (const Json& owner : api::array_at(json, {"metadata", "ownerReferences"}))
    if (string_at(owner, {"kind"}) == "Job") pod.job = string_at(owner, {"uid"});
  for (const Json& c : api::array_at(json, {"status", "conditions"}))
    if (string_at(c, {"type"}) == "DisruptionTarget" && string_at(c, {"reason"}) == "PreemptionByScheduler")
      pod.evicted = true;
  for (const Json& container : api::array_at(json, {"spec", "containers"}))
    pod.loose = pod.loose || (string_at(container, {"image"}).starts_with(kLooseImages) &&
                              !object.key.name().starts_with(kExceptedPods));
  return pod;
}

void SchedulingChecks::follow(const store::Change& change) {
  const api::Object& object = *change.object;
  if (object.key.resource() != "pods") return;
  Pod pod = read(object);
  pod.deleting = pod.deleting || change.deleted;
  note(object.key.text(), pod);
}

bool SchedulingChecks::runs(const Pod& pod) { return pod.bound && !pod.deleting && !pod.finished; }

// Evictions, and who of a gang runs.
void SchedulingChecks::note(const std::string& key, const Pod& pod) {
  if (pod.evicted && evicted_.insert(pod.uid).second && !pod.job.empty() &&
      ++sent_away_[pod.job] > kMostEvictions)
    violate("preemption loop: more than " + std::to_string(kMostEvictions) + " pods of Job " + pod.job +
            " were sent away");
  if (pod.gang.empty()) return;
  std::set<std::string>& bound = bound_[pod.gang];
  if (runs(pod))
    bound.insert(key);
  else
    bound.erase(key);
  if (bound.empty()) whole_.erase(pod.gang);
  if (!bound.empty() && int64_t(bound.size()) >= least(pod)) whole_.insert(pod.gang);
}

int64_t SchedulingChecks::least(const Pod& pod) const {
  const auto group = groups_.find(pod.gang);
  return group == groups_.end() ? pod.gang_least : group->second;
}

void SchedulingChecks::pods(store::Turn& turn) {
  std::map<std::string, Pod> now;
  groups_.clear();
  bound_.clear();
  for (const std::string& name : clusters_) {
    const ClusterId cluster{name};
    each(turn, cluster, "podgroups.scheduling.x-k8s.io", [&](const api::Object& object) {
      groups_[name + "/" + std::string(object.key.ns()) + "/" + std::string(object.key.name())] =
          api::int_at(object.parse(), {"spec", "minMember"}).value_or(0);
    });
    each(turn, cluster, "pods", [&](const api::Object& object) {
      const std::string& key = object.key.text();
      const auto known = pods_.find(key);
      if (known != pods_.end() && known->second.revision == object.revision)
        now.insert(pods_.extract(known));
      else
        now[key] = read(object);
    });
  }
  pods_ = std::move(now);
  // First who runs: a gang of which one leaves is still whole.
  for (const bool running : {true, false})
    for (const auto& [key, pod] : pods_)
      if (runs(pod) == running) note(key, pod);
}

// Some run and others, alive, wait, though never enough ran together: somebody saw a part.
void SchedulingChecks::gangs() {
  struct Members {
    int64_t least = 0, bound = 0, waiting = 0;
    bool settled = true;  // no member ended or is being deleted
  };
  std::map<std::string, Members> gangs;
  for (const auto& [key, pod] : pods_) {
    if (pod.gang.empty()) continue;
    Members& m = gangs[pod.gang];
    m.least = std::max(m.least, least(pod));
    m.settled = m.settled && !pod.finished && !pod.deleting;
    ++(pod.bound ? m.bound : m.waiting);
  }
  for (const auto& [name, m] : gangs)
    if (m.settled && m.bound > 0 && m.waiting > 0 && m.bound < m.least && !whole_.contains(name))
      violate("partial gang: " + name + " has " + std::to_string(m.bound) + " of " + std::to_string(m.least) +
              " members bound");
}

size_t SchedulingChecks::unfinished() const {
  return size_t(std::ranges::count_if(pods_, [](const auto& one) { return !one.second.finished; }));
}

// What a claim says is held is what its pod's Allocation holds for it.
void SchedulingChecks::claims(store::Turn& turn) {
  for (const std::string& cluster : clusters_)
    each(turn, ClusterId(cluster), "resourceclaims.resource.k8s.io", [&](const api::Object& object) {
      const Json claim = object.parse();
      for (const Json& user : api::array_at(claim, {"status", "reservedFor"})) {
        const auto stored = turn.get(
            api::Key(kRootCluster, "allocations.factory.ingot.dev", "", api::string_at(user, {"uid"})));
        if (!stored) continue;  // closed; the claim follows
        const Json allocation = stored->parse();
        const api::JsonArray& results = api::array_at(claim, {"status", "allocation", "devices", "results"});
        const auto of_claims =
            std::ranges::count_if(api::array_at(allocation, {"spec", "devices"}),
                                  [](const Json& d) { return !api::string_at(d, {"claim"}).empty(); });
        if (of_claims != int64_t(results.size()) || results.empty() ||
            api::string_at(results[0], {"pool"}) != api::string_at(allocation, {"spec", "node"}))
          violate("claim not its Allocation: " + object.key.text());
      }
    });
}

// While the gate is there nobody whom it holds has got anything: it is there before the first pod.
void SchedulingChecks::gates(store::Turn& turn) {
  if (!turn.get(api::Key(kRootCluster, "gates.factory.ingot.dev", "", "registries"))) return;
  each(turn, kRootCluster, "allocations.factory.ingot.dev", [&](const api::Object& object) {
    const Json allocation = object.parse();
    const auto at = [&](std::string_view field) { return string_at(allocation, {"spec", field}); };
    if (at("tenant") != kGated) return;
    const api::Key key(ClusterId(std::string(at("cluster"))), "pods", at("namespace"), at("pod"));
    const auto pod = pods_.find(key.text());
    if (pod != pods_.end() && pod->second.loose && pod->second.uid == object.key.name())
      violate("gate passed: " + key.text() + " has an Allocation");
  });
}

}  // namespace ingot::sim
