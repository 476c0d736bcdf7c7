#include "replay/history.h"

#include <algorithm>
#include <tuple>

#include "base/quantity.h"
#include "replay/csv.h"

namespace ingot::replay {
namespace {

using api::int_at;
using api::string_at;

constexpr std::string_view kCpu = "cpu";  // `device` of the row for CPU and memory

std::string text(const api::Json& row, std::string_view field) {
  return std::string(string_at(row, {field}));
}

std::string cell(std::string_view value) {
  if (value.find_first_of(",\"\r\n") == value.npos) return std::string(value);
  std::string out = "\"";
  for (const char c : value) (out += c == '"' ? "\"" : "") += c;
  return out + "\"";
}

std::string line(const std::vector<std::string>& cells) {
  std::string out;
  for (const std::string& value : cells) (out += out.empty() ? "" : ",") += cell(value);
  return out + "\n";
}

std::string joined(const api::JsonArray& models) {
  std::string out;
  for (const api::Json& model : models)
    if (model.is_string()) (out += out.empty() ? "" : "|") += model.get_string();
  return out;
}

// "12", "12.5": exact to the microsecond.
std::string seconds(WallTime::duration d) {
  const int64_t us = std::max<int64_t>(0, d.count());
  std::string fraction = std::to_string(1'000'000 + us % 1'000'000).substr(1);
  while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
  return std::to_string(us / 1'000'000) + (fraction.empty() ? "" : "." + fraction);
}

}  // namespace

bool History::add(const api::Json& row) {
  const auto from = parse_rfc3339(string_at(row, {"from"})), to = parse_rfc3339(string_at(row, {"to"}));
  const std::string uid = text(row, "podUID"), device = text(row, "device");
  if (!from || !to || uid.empty() || device.empty()) return false;
  if (pods_.size() == kMaxRows && !pods_.contains(uid)) return false;
  Pod& pod = pods_[uid];
  const bool open = api::bool_at(row, {"open"});
  if (pod.name.empty() || (pod.open && !open)) {
    const WallTime created = parse_rfc3339(string_at(row, {"created"})).value_or(*from);
    pod = {.name = text(row, "tenant") + "/" + text(row, "namespace") + "/" + text(row, "pod"),
           .tenant = text(row, "tenant"),
           .created = std::min(created, *from),
           .from = *from,
           .to = std::max(*from, *to),
           .open = open};
  } else if (open && !pod.open) {
    return true;
  }
  pod.from = std::min(pod.from, *from);  // a device that it shares by a claim is charged to it later, if ever
  pod.created = std::min(pod.created, pod.from);
  if (device == kCpu) {
    pod.cpu_milli = int_at(row, {"cpuMilli"}).value_or(0);
    pod.memory_mib = int_at(row, {"memoryMiB"}).value_or(0);
  } else {
    pod.models = joined(api::array_at(row, {"models"}));
    pod.devices[device + "/" + text(row, "part")] =
        std::clamp<int64_t>(int_at(row, {"gpuMilli"}).value_or(1000), 1, 1000);
  }
  return true;
}

std::string History::csv() const {
  std::vector<const std::pair<const std::string, Pod>*> pods;
  for (const auto& pod : pods_) pods.push_back(&pod);
  // Those created in the same second: as they were placed.
  std::ranges::sort(pods, {}, [](const auto* p) {
    return std::tie(p->second.created, p->second.from, p->second.name, p->first);
  });
  std::string out = line({"name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "gpu_spec", "qos",
                          "pod_phase", "creation_time", "deletion_time", "scheduled_time"});
  for (const auto* entry : pods) {
    const Pod* pod = &entry->second;
    int64_t milli = 0;
    for (const auto& [device, part] : pod->devices) milli += part;
    const int64_t gpus = (milli + 999) / 1000;
    const WallTime start = pods.front()->second.created;
    out += line({pod->name, std::to_string(pod->cpu_milli), std::to_string(pod->memory_mib),
                 std::to_string(gpus), std::to_string(gpus > 1 ? 1000 : milli), pod->models, pod->tenant,
                 pod->open ? "Running" : "", seconds(pod->created - start), seconds(pod->to - start),
                 seconds(pod->from - start)});
  }
  return out;
}

std::vector<TraceNode> nodes_from(const api::JsonArray& nodes, const api::JsonArray& slices) {
  std::map<std::string, std::map<std::string, int>> boards;  // by node and model
  for (const api::Json& slice : slices)
    for (const api::Json& device : api::array_at(slice, {"spec", "devices"}))
      if (!string_at(device, {"attributes", "uuid", "string"}).empty())  // else a part of a board
        ++boards[std::string(string_at(slice, {"spec", "nodeName"}))]
                [std::string(string_at(device, {"attributes", "model", "string"}))];
  std::vector<TraceNode> out;
  for (const api::Json& node : nodes) {
    const auto of = [&](std::string_view resource) {
      return Quantity::parse(string_at(node, {"status", "allocatable", resource})).value_or(Quantity{});
    };
    TraceNode one{.name = std::string(string_at(node, {"metadata", "name"})),
                  .cpu_milli = of("cpu").milli,
                  .memory_mib = of("memory").units() >> 20};
    int most = 0;
    for (const auto& [model, count] : boards[one.name]) {
      one.gpus += count;
      if (count > most) one.model = model;
      most = std::max(most, count);
    }
    out.push_back(std::move(one));
  }
  std::ranges::sort(out, {}, &TraceNode::name);
  return out;
}

std::string nodes_csv(const std::vector<TraceNode>& nodes) {
  std::string out = line({"sn", "cpu_milli", "memory_mib", "gpu", "model"});
  for (const TraceNode& n : nodes)
    out += line(
        {n.name, std::to_string(n.cpu_milli), std::to_string(n.memory_mib), std::to_string(n.gpus), n.model});
  return out;
}

}  // namespace ingot::replay
