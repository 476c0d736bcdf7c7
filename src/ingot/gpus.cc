// ingot gpus
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "base/quantity.h"
#include "base/time.h"
#include "ingot/client.h"
#include "ingot/output.h"

namespace ingot {
namespace {

struct Gpu {
  std::string node, index, uuid, model, held_by, fault, idle_since;
  int64_t memory = 0;
  bool simulated = false, healthy = true;
};

// An attribute of a ResourceSlice's device is {"string": …}, {"int": …} or {"bool": …}.
std::string_view attribute(const api::Json& device, std::string_view name) {
  return api::string_at(device, {"attributes", name, "string"});
}

struct Holder {
  std::string pod, idle_since;
};
std::map<std::string, Holder, std::less<>> holders(const api::JsonArray& allocations) {
  std::map<std::string, Holder, std::less<>> found;
  for (const api::Json& allocation : allocations) {
    if (api::string_at(allocation, {"status", "phase"}) == "Released") continue;
    const std::string pod = fmt::format("{}/{}/{}", api::string_at(allocation, {"spec", "tenant"}),
                                        api::string_at(allocation, {"spec", "namespace"}),
                                        api::string_at(allocation, {"spec", "pod"}));
    for (const api::Json& device : api::array_at(allocation, {"spec", "devices"}))
      if (api::bool_at(device, {"charged"}, true))
        found.emplace(api::string_at(device, {"uuid"}),
                      Holder{pod, std::string(api::string_at(allocation, {"status", "idle", "since"}))});
  }
  return found;
}

std::vector<Gpu> gpus_of(const api::JsonArray& slices, const api::JsonArray& allocations) {
  const auto held = holders(allocations);
  std::vector<Gpu> all;
  for (const api::Json& slice : slices) {
    for (const api::Json& device : api::array_at(slice, {"spec", "devices"})) {
      Gpu gpu{.node = std::string(api::string_at(slice, {"spec", "nodeName"})),
              .index = std::to_string(api::int_at(device, {"attributes", "index", "int"}).value_or(0)),
              .uuid = std::string(attribute(device, "uuid")),
              .model = std::string(attribute(device, "model"))};
      if (gpu.uuid.empty()) continue;  // a part of a board
      const auto memory = Quantity::parse(api::string_at(device, {"capacity", "memory", "value"}));
      gpu.memory = memory ? memory->units() : 0;
      gpu.simulated = api::bool_at(device, {"attributes", "simulated", "bool"});
      gpu.healthy = api::bool_at(device, {"attributes", "healthy", "bool"}, true);
      gpu.fault = attribute(device, "unhealthyReason");
      if (const auto holder = held.find(gpu.uuid); holder != held.end()) {
        gpu.held_by = holder->second.pod;
        gpu.idle_since = holder->second.idle_since;
      }
      all.push_back(std::move(gpu));
    }
  }
  return all;
}

api::Json json_of(const Gpu& gpu) {
  return api::JsonObject{{"node", gpu.node},
                         {"index", std::stoll(gpu.index)},
                         {"uuid", gpu.uuid},
                         {"model", gpu.model},
                         {"memoryBytes", gpu.memory},
                         {"heldBy", gpu.held_by.empty() ? api::Json() : api::Json(gpu.held_by)},
                         {"healthy", gpu.healthy},
                         {"fault", gpu.fault.empty() ? api::Json() : api::Json(gpu.fault)},
                         {"idleSince", gpu.idle_since.empty() ? api::Json() : api::Json(gpu.idle_since)},
                         {"simulated", gpu.simulated}};
}

// For how long its holder has not used it.
std::string idle_text(const Gpu& gpu) {
  const auto since = parse_rfc3339(gpu.idle_since);
  if (!since) return "";
  const auto now = std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now());
  return human_duration(std::max<Duration>(now - *since, {}));
}

std::string health_text(const Gpu& gpu) {
  if (gpu.healthy) return "ok";
  return gpu.fault.empty() ? "unhealthy" : gpu.fault;
}

}  // namespace

int gpus(const Common& common) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto slices = client->list(fmt::format("{}/apis/resource.k8s.io/v1/resourceslices", kRoot));
  if (!slices) return failed(slices.error());
  auto allocations = client->list(fmt::format("{}/allocations", kFactoryApi));
  if (!allocations) return failed(allocations.error());
  const auto all = gpus_of(*slices, *allocations);
  if (common.json) {
    api::JsonArray array;
    for (const Gpu& gpu : all) array.push_back(json_of(gpu));
    print_json(array);
    return kOk;
  }
  if (all.empty()) {
    fmt::print("no GPUs: the factory was started with --gpus none, or its nodes have none\n");
    return kOk;
  }
  Table table({"NODE", "GPU", "UUID", "MODEL", "MEMORY", "HELD BY", "IDLE", "HEALTH", "SIMULATED"});
  table.right(1).right(4);
  for (const Gpu& gpu : all)
    table.row({gpu.node, gpu.index, gpu.uuid, gpu.model, memory_text(gpu.memory),
               !gpu.held_by.empty() ? gpu.held_by
               : gpu.healthy        ? "free"
                                    : "nobody",
               idle_text(gpu), health_text(gpu), gpu.simulated ? "yes" : "no"});
  table.print();
  return kOk;
}

}  // namespace ingot
