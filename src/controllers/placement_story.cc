#include "controllers/placement_story.h"

#include <algorithm>

#include "controllers/job_gang.h"
#include "controllers/placement_writes.h"
#include "scheduler/explain.h"
#include "scheduler/objects.h"

namespace ingot::controllers {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::Key;
using api::string_at;
using scheduler::Amounts;

constexpr size_t kForecasts = 32;   // of a listing, that look at every node
constexpr size_t kMaxHolders = 64;  // of a node, that are told by name

// GPUs and CPUs, without a fraction where there is none.
Json whole(int64_t milli) { return milli % 1000 == 0 ? Json(milli / 1000) : Json(double(milli) / 1000); }

JsonObject amounts(const Amounts& a) {
  return {{"gpus", whole(a.gpu_milli)}, {"cpu", whole(a.cpu_milli)}, {"memoryMiB", a.memory_mib}};
}

JsonObject limits(const scheduler::Limits& l) {
  JsonObject out;
  if (l.gpu_milli) out["gpus"] = whole(*l.gpu_milli);
  if (l.cpu_milli) out["cpu"] = whole(*l.cpu_milli);
  if (l.memory_mib) out["memoryMiB"] = *l.memory_mib;
  return out;
}

struct Names {
  const store::Turn& turn;
  std::string_view cluster;  // the reader's
  bool everyone;

  std::string of_allocation(std::string_view uid) const {
    const api::ObjectPtr object = turn.get({kRootCluster, kAllocations, "", uid});
    if (!object) return "a pod that ended";
    const Json a = object->parse();
    const auto at = [&](std::string_view field) { return std::string(string_at(a, {"spec", field})); };
    if (!everyone && at("cluster") != cluster) return "another tenant";
    return at("tenant") + "/" + at("namespace") + "/" + at("pod");
  }
};

std::string count(int64_t n, std::string_view noun) {
  return std::to_string(n) + " " + std::string(noun) + (n == 1 ? "" : "s");
}

std::string asks_text(const scheduler::Request& r) {
  std::string one;
  if (!r.parts.empty())
    one = scheduler::devices_text(r);
  else if (!r.profile.empty())
    one = count(r.gpus, "MIG " + r.profile);
  else if (r.share())
    one = r.milli < 1000 ? std::to_string(r.milli) + " thousandths of a GPU" : "a share of a GPU";
  else if (r.gpus > 0)
    one = count(r.gpus, "GPU");
  else
    one = std::to_string(r.cpu_milli) + "m CPU";
  if (r.one_island) one += " in one NVLink island";
  return r.all_of_node ? "all " + one + " of a node" : one;
}

std::string asks_text(const scheduler::Unit& unit) {
  const scheduler::PendingPod& pod = unit.pods.front();
  std::string one = asks_text(pod.request);
  for (const scheduler::Request& other : pod.otherwise) one += ", or " + asks_text(other);
  return unit.pods.size() > 1 ? count(int64_t(unit.pods.size()), "pod") + " of " + one + " each" : one;
}

JsonArray node_lines(const scheduler::Prospect& p, const Names& names) {
  JsonArray out;
  for (const scheduler::NodeLine& line : p.nodes) {
    std::map<std::string, int64_t> by_name;  // another tenant's pods are one
    for (const auto& [uid, milli] : line.holders)
      if (by_name.size() < kMaxHolders) by_name[names.of_allocation(uid)] += milli;
    JsonArray holders;
    for (const auto& [name, milli] : by_name)
      holders.push_back(JsonObject{{"pod", name}, {"gpus", whole(milli)}});
    out.push_back(JsonObject{{"node", line.node},
                             {"free", line.free},
                             {"of", line.of},
                             {"kept", line.kept},
                             {"holders", std::move(holders)}});
  }
  return out;
}

void add_forecast(JsonObject& out, const scheduler::Forecast& f, const Names& names) {
  out["reason"] = f.reason;
  if (f.starts) out["starts"] = to_rfc3339(*f.starts);
  if (!f.after.empty()) out["after"] = names.of_allocation(f.after);
}

void add_prospect(JsonObject& out, const scheduler::Prospect& p, const scheduler::Unit& unit,
                  const Names& names) {
  add_forecast(out, p.forecast, names);
  out["asks"] = asks_text(unit);
  if (unit.pods.size() > 1 || unit.work.unit != unit.pods.front().uid)
    out["gang"] = JsonObject{{"name", unit.id.substr(unit.id.rfind('/') + 1)},
                             {"pods", unit.pods.size()},
                             {"least", unit.least.value_or(int64_t(unit.pods.size()))}};
  out["queue"] = p.queue;
  out["position"] = p.position;
  out["of"] = p.line;
  out["nodes"] = node_lines(p, names);
  out["moreNodes"] = p.more_nodes;
  out["preemption"] = p.preemption;
  if (!p.reserved) return;
  JsonArray nodes;
  for (const auto& [node, pods] : p.reserved->pods) nodes.push_back(Json(node));
  JsonObject kept{{"nodes", std::move(nodes)},
                  {"since", to_rfc3339(p.reserved->since)},
                  {"evicting", p.reserved->evicting}};
  if (p.reserved->starts) kept["starts"] = to_rfc3339(*p.reserved->starts);
  out["reservation"] = std::move(kept);
}

void add_allocation(JsonObject& out, const Json& allocation) {
  for (const std::string_view field : {"node", "from", "devices", "why"})
    if (const Json* value = api::find(allocation, {"spec", field})) out[field] = *value;
}

}  // namespace

Result<Json> pod_story(const Scene& scene, const store::Turn& turn, const Key& key, bool everyone) {
  const api::ObjectPtr object = turn.get(key);
  if (!object)
    return fail(Reason::NotFound,
                "pods \"" + std::string(key.name()) + "\" not found in namespace " + std::string(key.ns()));
  const Json pod = object->parse();
  const std::string uid(string_at(pod, {"metadata", "uid"}));
  const std::string_view created = string_at(pod, {"metadata", "creationTimestamp"});
  const Duration waited = scene.now - parse_rfc3339(created).value_or(scene.now);
  JsonObject out{{"pod", std::string(scene.units.tenant_of(key.cluster())) + "/" + std::string(key.ns()) +
                             "/" + std::string(key.name())},
                 {"uid", uid},
                 {"phase", string_at(pod, {"status", "phase"})},
                 {"createdAt", created},
                 {"waitedSeconds", std::chrono::duration_cast<std::chrono::seconds>(waited).count()}};
  const Names names{turn, key.cluster(), everyone};
  if (const std::string unit_id = scene.units.unit_name(uid); !unit_id.empty()) {
    const auto prospect = scheduler::prospect(scene.model, scene.policy, unit_id, scene.now);
    if (prospect) add_prospect(out, *prospect, *scene.model.unit(unit_id), names);
  } else if (const api::ObjectPtr held = turn.get({kRootCluster, kAllocations, "", uid})) {
    add_allocation(out, held->parse());
  } else if (scheduler::state_of(pod) == scheduler::PodState::Waiting) {
    out["reason"] = api::array_at(pod, {"spec", "schedulingGates"}).empty()
                        ? "waits for its own scheduler " +
                              std::string(string_at(pod, {"spec", "schedulerName"})) + " to propose a node"
                        : std::string("waits for its scheduling gates");
  }
  return Json(std::move(out));
}

JsonArray queue_story(const Scene& scene, const store::Turn& turn, std::string_view tenant) {
  std::map<std::string, int64_t, std::less<>> depths;
  size_t heads = 0;
  JsonArray out;
  for (const scheduler::QueueLine& line : scheduler::queue_lines(scene.model)) {
    const auto above = depths.find(line.parent);
    const int64_t depth = above == depths.end() ? 0 : above->second + 1;
    if (!line.name.empty()) depths[line.name] = depth;
    if (!tenant.empty() && line.tenant != tenant) continue;
    JsonObject one{{"queue", line.name.empty() ? line.tenant : line.name},
                   {"tenant", line.tenant},
                   {"parent", line.parent},
                   {"depth", depth},
                   {"weight", line.weight},
                   {"guarantee", amounts(line.guarantee)},
                   {"limit", limits(line.limit)},
                   {"used", amounts(line.used)},
                   {"lent", whole(line.lent_gpu_milli)},
                   {"pending", line.pending}};
    const scheduler::Unit* head = line.head.empty() ? nullptr : scene.model.unit(line.head);
    if (head) {
      const WaitingPod* first = scene.units.waiting(head->pods.front().uid);
      const std::string_view cluster = first ? first->key.cluster() : std::string_view();
      JsonObject waits{{"pods", head->pods.size()}};
      if (first) waits["pod"] = std::string(first->key.ns()) + "/" + std::string(first->key.name());
      const Names names{turn, cluster, tenant.empty()};
      const bool quick = ++heads > kForecasts;
      add_forecast(waits, scheduler::forecast(scene.model, scene.policy, *head, scene.now, quick), names);
      one["head"] = std::move(waits);
    }
    out.push_back(std::move(one));
  }
  return out;
}

std::optional<Estimate> estimate(const Scene& scene, const ClusterId& cluster, const Json& object,
                                 const Lookup& own, bool quick) {
  const bool job = string_at(object, {"kind"}) == "Job";
  Json shape;
  if (job) {
    const Json* of_job = api::find(object, {"spec", "template"});
    if (!of_job) return std::nullopt;
    shape = *of_job;
    if (const auto deadline = api::int_at(object, {"spec", "activeDeadlineSeconds"}))
      api::set(shape, {"spec", "activeDeadlineSeconds"}, *deadline);
    const std::string_view name = string_at(object, {"metadata", "name"});
    const std::string_view made = name.empty() ? string_at(object, {"metadata", "generateName"}) : name;
    api::set(shape, {"metadata", "ownerReferences"},
             JsonArray{JsonObject{{"kind", "Job"}, {"name", made}, {"controller", true}}});
  }
  const Json& pod = job ? shape : object;
  Estimate out;
  const Key key{cluster, "pods", string_at(object, {"metadata", "namespace"}), "new"};
  scheduler::Unit unit = scene.units.unit_of(key, pod, "", &own);
  if (unit.pods.front().request.gpus == 0) return std::nullopt;
  if (job) {
    out.pods = std::clamp<int64_t>(api::int_at(object, {"spec", "parallelism"}).value_or(1), 1, 1024);
    const auto gang = gang_of_job(object, read_job_spec(object));
    if (gang || scheduler::gang_of(pod)) unit.pods.resize(size_t(out.pods), unit.pods.front());
    if (gang) unit.least = std::min(gang->least, out.pods);
    if (gang) unit.work.origin = scheduler::gang_origin(unit.work.origin, *unit.least);
  }
  out.run_time = unit.work.run_time;
  if (const auto learnt = scene.model.past_runs().expected(unit.tenant, unit.work.origin))
    out.run_time = std::min(out.run_time.value_or(*learnt), *learnt);
  unit.created = scene.now;
  out.forecast = scheduler::forecast(scene.model, scene.policy, unit, scene.now, quick);
  out.request = unit.pods.front().choice(out.forecast.choice);
  return out;
}

}  // namespace ingot::controllers
