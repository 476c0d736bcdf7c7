#include "scheduler/objects.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/quantity.h"
#include "gpu/mig.h"
#include "gpu/models.h"
#include "scheduler/objects_links.h"

namespace ingot::scheduler {
namespace {

using api::array_at;
using api::find;
using api::Json;
using api::JsonObject;
using api::object_at;
using api::string_at;

constexpr int64_t kMost = int64_t(1) << 50;  // sums of what strangers write stay far from overflow

std::string text(boost::json::string_view s) { return {s.data(), s.size()}; }

// Quantities may be JSON numbers.
int64_t milli(const Json& value) {
  if (value.is_int64()) return std::clamp<int64_t>(value.get_int64(), 0, kMost / 1000) * 1000;
  if (!value.is_string()) return 0;
  const auto& s = value.get_string();
  const auto parsed = Quantity::parse({s.data(), s.size()});
  return parsed ? std::max<int64_t>(parsed->milli, 0) : 0;
}
int64_t units(const Json& value) { return std::min(Quantity{milli(value)}.units(), kMost); }

Labels labels_from(const JsonObject& object) {
  Labels labels;
  for (const auto& [key, value] : object)
    if (value.is_string()) labels.emplace(text(key), text(value.get_string()));
  return labels;
}

std::vector<Requirement> requirements(const boost::json::array& expressions) {
  static constexpr std::pair<std::string_view, Requirement::Op> kOps[] = {
      {"In", Requirement::Op::In},         {"NotIn", Requirement::Op::NotIn},
      {"Exists", Requirement::Op::Exists}, {"DoesNotExist", Requirement::Op::DoesNotExist},
      {"Gt", Requirement::Op::Gt},         {"Lt", Requirement::Op::Lt}};
  std::vector<Requirement> out;
  for (const Json& e : expressions) {
    Requirement r{.key = std::string(string_at(e, {"key"})), .op = Requirement::Op::Never};
    for (const auto& [name, op] : kOps)
      if (string_at(e, {"operator"}) == name) r.op = op;
    for (const Json& value : array_at(e, {"values"}))
      if (value.is_string()) r.values.push_back(text(value.get_string()));
    out.push_back(std::move(r));
  }
  return out;
}

std::optional<std::vector<Term>> affinity_from(const Json& pod) {
  const Json* required =
      find(pod, {"spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"});
  if (!required || !required->is_object()) return std::nullopt;
  std::vector<Term> terms;
  for (const Json& term : array_at(*required, {"nodeSelectorTerms"}))
    terms.push_back(
        {requirements(array_at(term, {"matchExpressions"})), requirements(array_at(term, {"matchFields"}))});
  return terms;
}

std::vector<Toleration> tolerations_from(const Json& pod) {
  std::vector<Toleration> out;
  for (const Json& t : array_at(pod, {"spec", "tolerations"})) {
    Toleration toleration{.key = std::string(string_at(t, {"key"})),
                          .exists = string_at(t, {"operator"}) == "Exists",
                          .value = std::string(string_at(t, {"value"})),
                          .effect = parse_effect(string_at(t, {"effect"})),
                          .seconds = api::int_at(t, {"tolerationSeconds"})};
    out.push_back(std::move(toleration));
  }
  return out;
}

// What strangers wrote and we will repeat in messages.
std::string name_or(std::string_view name, std::string_view otherwise) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_' || c == '/';
  };
  return std::string(name.size() <= 253 && std::ranges::all_of(name, plain) ? name : otherwise);
}

// What containers ask for; of boards one kind: whole GPUs, replicas of one, or instances of one MIG profile or
// replicas of one.
struct Sum {
  int64_t cpu = 0, memory = 0, gpus = 0, replicas = 0;
  std::map<std::string, int64_t> slices;  // by profile, replicas as PROFILE.shared
  void merge(const Sum& o, const std::function<int64_t(int64_t, int64_t)>& f) {
    cpu = std::min(f(cpu, o.cpu), kMost);
    memory = std::min(f(memory, o.memory), kMost);
    gpus = std::min(f(gpus, o.gpus), kMost);
    replicas = std::min(f(replicas, o.replicas), kMost);
    for (const auto& [profile, n] : o.slices) slices[profile] = std::min(f(slices[profile], n), kMost);
  }
  void add(const Sum& o) { merge(o, std::plus<int64_t>()); }
  void at_least(const Sum& o) {
    merge(o, [](int64_t a, int64_t b) { return std::max(a, b); });
  }
};

Sum resources(const Json* resources, std::string& unknown) {
  Sum sum;
  if (!resources) return sum;
  JsonObject wanted = object_at(*resources, {"limits"});
  for (const auto& [name, value] : object_at(*resources, {"requests"})) wanted[name] = value;
  for (const auto& [key, value] : wanted) {
    const std::string name = text(key);
    if (name == "cpu")
      sum.cpu = std::min(milli(value), kMost);
    else if (name == "memory")
      sum.memory = units(value);
    else if (name == kGpuResource)
      sum.gpus = units(value);
    else if (name == kSharedResource)
      sum.replicas = units(value);
    else if (name.starts_with(kMigPrefix) && units(value) > 0)
      sum.slices[name_or(name.substr(kMigPrefix.size()), "a profile of that name")] = units(value);
    else if (name != "ephemeral-storage" && units(value) > 0 && (unknown.empty() || name < unknown))
      unknown = name_or(name, "a resource of that name");
  }
  return sum;
}

// More replicas of one GPU, or of one instance, give no more of it.
void boards(const Sum& total, Request& request) {
  request.gpus = total.gpus;
  if ((total.gpus > 0) + (total.replicas > 0) + int(total.slices.size()) > 1)
    request.unknown = "whole GPUs, shares and MIG profiles of several kinds to one pod";
  if (total.gpus > 0) return;
  if (total.replicas > 0) {
    request.gpus = 1;
    request.replica = true;
  } else if (!total.slices.empty()) {
    std::string name = total.slices.begin()->first;
    request.gpus = total.slices.begin()->second;
    request.replica = name.ends_with(kSharedSuffix);
    if (request.replica) {
      name.resize(name.size() - kSharedSuffix.size());
      request.gpus = 1;
    }
    request.profile = gpu::profile_of_resource(name);
  }
}

// Annotations of fractional GPUs as KAI-Scheduler reads them: gpu-fraction "0.5", gpu-memory "4096" (MiB).
void share(const Json& pod, Request& request) {
  const std::string_view fraction = string_at(pod, {"metadata", "annotations", kFraction});
  if (const auto q = Quantity::parse(fraction); !fraction.empty() && q && q->milli > 0 && q->milli < 1000)
    request.milli = int32_t(q->milli);
  const std::string_view memory = string_at(pod, {"metadata", "annotations", kShareMemory});
  if (const auto q = Quantity::parse(memory); !memory.empty() && q && q->milli > 0)
    request.share_memory_mib = std::min(q->units(), kMost >> 20);
  if (request.share()) request.gpus = 1;
}

}  // namespace

Request request_of(const Json& pod) {
  Request request;
  Sum total, sidecars, start;
  for (const Json& c : array_at(pod, {"spec", "containers"}))
    total.add(resources(find(c, {"resources"}), request.unknown));
  for (const Json& c : array_at(pod, {"spec", "initContainers"})) {
    Sum own = resources(find(c, {"resources"}), request.unknown);
    if (string_at(c, {"restartPolicy"}) == "Always") {
      sidecars.add(own);
      start.at_least(sidecars);
    } else {
      own.add(sidecars);
      start.at_least(own);
    }
  }
  total.add(sidecars);
  total.at_least(start);
  const Json overhead = JsonObject{{"requests", object_at(pod, {"spec", "overhead"})}};
  total.add(resources(&overhead, request.unknown));
  request.cpu_milli = total.cpu > 0 ? total.cpu : 100;
  request.memory_bytes = total.memory > 0 ? total.memory : int64_t(64) << 20;
  boards(total, request);
  if (request.gpus == 0 || (request.gpus == 1 && !request.profile.empty() && !request.replica))
    share(pod, request);
  request.one_island = string_at(pod, {"metadata", "annotations", kGpuTopology}) == "nvlink";
  request.where.selector = labels_from(object_at(pod, {"spec", "nodeSelector"}));
  request.where.affinity = affinity_from(pod);
  request.where.tolerations = tolerations_from(pod);
  request.where.node = name_or(string_at(pod, {"metadata", "annotations", kProposedNode}), "(not a name)");
  return request;
}

namespace {

using ModelNames = std::optional<std::set<std::string_view>>;  // none: any

void leave(ModelNames& left, const ModelNames& named) {
  if (left && named)
    std::erase_if(*left, [&](std::string_view name) { return !named->contains(name); });
  else if (named)
    left = named;
}

void join(ModelNames& all, const ModelNames& more) {
  if (all && more)
    all->insert(more->begin(), more->end());
  else
    all.reset();
}

ModelNames named_by(std::string_view label) {
  const gpu::Model* found = gpu::model_of_label(label);
  return found ? ModelNames({found->name}) : std::nullopt;
}

ModelNames names_of(const Constraints& where) {
  ModelNames models;
  if (const auto product = where.selector.find(std::string(kGpuProduct)); product != where.selector.end())
    models = named_by(product->second);
  if (where.affinity) {
    ModelNames of_any = std::set<std::string_view>{};
    for (const Term& term : *where.affinity) {
      ModelNames left;
      for (const Requirement& r : term.labels) {
        if (r.key != kGpuProduct || r.op != Requirement::Op::In) continue;
        ModelNames named = std::set<std::string_view>{};
        for (const std::string& value : r.values) join(named, named_by(value));
        leave(left, named);
      }
      join(of_any, left);
    }
    leave(models, of_any);
  }
  return models && models->empty() ? std::nullopt : models;  // no node will do, and its labels say why
}

}  // namespace

ModelSet models_of(const Constraints& where, Model& model) {
  const ModelNames names = names_of(where);
  ModelSet models = names ? 0 : kAnyModel;
  if (names)
    for (const std::string_view name : *names) models |= ModelSet(1) << model.model_id(name);
  return models;
}

std::vector<std::string> gpu_models_of(const Json& pod) {
  Constraints where;
  where.selector = labels_from(object_at(pod, {"spec", "nodeSelector"}));
  where.affinity = affinity_from(pod);
  const ModelNames names = names_of(where);
  return names ? std::vector<std::string>(names->begin(), names->end()) : std::vector<std::string>{};
}

PodState state_of(const Json& pod) {
  const std::string_view phase = string_at(pod, {"status", "phase"});
  if (phase == "Succeeded" || phase == "Failed") return PodState::Finished;
  if (!string_at(pod, {"spec", "nodeName"}).empty()) return PodState::Placed;
  if (find(pod, {"metadata", "deletionTimestamp"})) return PodState::Finished;
  if (!array_at(pod, {"spec", "schedulingGates"}).empty()) return PodState::Waiting;
  const std::string_view scheduler = string_at(pod, {"spec", "schedulerName"});
  const bool ours = scheduler.empty() || scheduler == "default-scheduler";
  const bool proposed = !string_at(pod, {"metadata", "annotations", kProposedNode}).empty();
  return ours || proposed ? PodState::Pending : PodState::Waiting;
}

Node node_from(const Json& node, const Json* slice) {
  Node out;
  out.name = string_at(node, {"metadata", "name"});
  out.labels = labels_from(object_at(node, {"metadata", "labels"}));
  if (const auto pool = out.labels.find(std::string(kPoolLabel)); pool != out.labels.end())
    out.pool = pool->second;
  const JsonObject& allocatable = object_at(node, {"status", "allocatable"});
  if (const Json* cpu = allocatable.if_contains("cpu")) out.cpu_milli = std::min(milli(*cpu), kMost);
  if (const Json* memory = allocatable.if_contains("memory")) out.memory_bytes = units(*memory);
  if (const Json* pods = allocatable.if_contains("pods")) out.pods = units(*pods);
  out.cordoned = api::bool_at(node, {"spec", "unschedulable"});
  for (const Json& t : array_at(node, {"spec", "taints"}))
    if (const auto effect = parse_effect(string_at(t, {"effect"})))
      out.taints.push_back(
          {std::string(string_at(t, {"key"})), std::string(string_at(t, {"value"})), *effect});
  for (const Json& c : array_at(node, {"status", "conditions"}))
    if (string_at(c, {"type"}) == "Ready") out.ready = string_at(c, {"status"}) == "True";
  if (!slice) return out;
  for (const Json& d : array_at(*slice, {"spec", "devices"})) {
    Device device{.uuid = std::string(string_at(d, {"attributes", "uuid", "string"})),
                  .model = std::string(string_at(d, {"attributes", "model", "string"})),
                  .healthy = api::bool_at(d, {"attributes", "healthy", "bool"}, true)};
    if (const Json* memory = find(d, {"capacity", "memory", "value"}))
      device.memory_mib = units(*memory) >> 20;
    if (!device.uuid.empty()) out.devices.push_back(std::move(device));
  }
  out.links = links_from(*slice);
  return out;
}

Tenant tenant_from(const Json& tenant) {
  Tenant out{.id = std::string(string_at(tenant, {"status", "cluster"})),
             .name = std::string(string_at(tenant, {"metadata", "name"}))};
  out.gpu_guarantee = std::max<int64_t>(api::int_at(tenant, {"spec", "gpus", "guarantee"}).value_or(0), 0);
  out.queue = string_at(tenant, {"spec", "queue"});
  out.gpu_limit = api::int_at(tenant, {"spec", "gpus", "limit"});
  out.weight = std::clamp<int64_t>(api::int_at(tenant, {"spec", "weight"}).value_or(1), 1, 1'000'000);
  out.terminating = string_at(tenant, {"status", "phase"}) == "Terminating" ||
                    find(tenant, {"metadata", "deletionTimestamp"});
  return out;
}

Allocation allocation_from(const Json& allocation) {
  Allocation out{.uid = std::string(string_at(allocation, {"metadata", "name"})),
                 .tenant = std::string(string_at(allocation, {"spec", "cluster"})),
                 .node = std::string(string_at(allocation, {"spec", "node"}))};
  for (const Json& d : array_at(allocation, {"spec", "devices"})) {
    const std::string_view claim = string_at(d, {"claimUID"});
    if (!claim.empty()) out.claims.emplace(claim);
    if (!api::bool_at(d, {"charged"}, true)) continue;
    Held held(std::string(string_at(d, {"uuid"})));
    held.model = string_at(d, {"model"});
    held.milli = int32_t(api::int_at(d, {"milli"}).value_or(1000));
    held.memory_mib = api::int_at(d, {"memoryMiB"}).value_or(0);
    held.profile = string_at(d, {"profile"});
    held.start = int(api::int_at(d, {"start"}).value_or(-1));
    held.claim = claim;
    out.devices.push_back(std::move(held));
  }
  out.work = work_from(object_at(allocation, {"spec", "work"}));
  out.since = parse_rfc3339(string_at(allocation, {"spec", "from"})).value_or(WallTime{});
  out.cpu_milli = api::int_at(allocation, {"spec", "cpuMilli"}).value_or(0);
  out.memory_bytes = api::int_at(allocation, {"spec", "memoryBytes"}).value_or(0);
  return out;
}

}  // namespace ingot::scheduler
