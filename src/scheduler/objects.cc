#include "scheduler/objects.h"

#include <algorithm>
#include <charconv>

#include "base/quantity.h"

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

struct Sum {
  int64_t cpu = 0, memory = 0, gpus = 0;
  void add(const Sum& o) {
    cpu = std::min(cpu + o.cpu, kMost);
    memory = std::min(memory + o.memory, kMost);
    gpus = std::min(gpus + o.gpus, kMost);
  }
  void at_least(const Sum& o) {
    cpu = std::max(cpu, o.cpu);
    memory = std::max(memory, o.memory);
    gpus = std::max(gpus, o.gpus);
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
    else if (name != "ephemeral-storage" && units(value) > 0 && (unknown.empty() || name < unknown))
      unknown = name_or(name, "a resource of that name");
  }
  return sum;
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
  request.gpus = total.gpus;
  request.where.selector = labels_from(object_at(pod, {"spec", "nodeSelector"}));
  request.where.affinity = affinity_from(pod);
  request.where.tolerations = tolerations_from(pod);
  request.where.node = name_or(string_at(pod, {"metadata", "annotations", kProposedNode}), "(not a name)");
  return request;
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

std::optional<Gang> gang_of(const Json& pod) {
  const std::string_view name = string_at(pod, {"metadata", "labels", kGangLabel});
  const std::string_view size = string_at(pod, {"metadata", "annotations", kGangSize});
  int64_t n = 0;
  const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), n);
  if (name.empty() || error != std::errc{} || end != size.data() + size.size() || n < 2 || n > 1024)
    return std::nullopt;
  return Gang{std::string(name), n};
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
    if (!device.uuid.empty()) out.devices.push_back(std::move(device));
  }
  return out;
}

Tenant tenant_from(const Json& tenant) {
  Tenant out{.id = std::string(string_at(tenant, {"status", "cluster"})),
             .name = std::string(string_at(tenant, {"metadata", "name"}))};
  out.gpu_guarantee = std::max<int64_t>(api::int_at(tenant, {"spec", "gpus", "guarantee"}).value_or(0), 0);
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
  for (const Json& d : array_at(allocation, {"spec", "devices"}))
    out.devices.emplace_back(string_at(d, {"uuid"}));
  out.cpu_milli = api::int_at(allocation, {"spec", "cpuMilli"}).value_or(0);
  out.memory_bytes = api::int_at(allocation, {"spec", "memoryBytes"}).value_or(0);
  return out;
}

}  // namespace ingot::scheduler
