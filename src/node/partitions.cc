#include "node/partitions.h"

#include <fmt/format.h>

#include <algorithm>

#include "gpu/device_names.h"
#include "gpu/mig.h"

namespace ingot::node {
namespace {
using api::JsonArray;
using api::JsonObject;

// Of one slice: ResourceSliceMaxCounterSets, ResourceSliceMaxDevicesWithAdvancedFeatures.
constexpr size_t kMostSets = 8, kMostDevices = 64;

bool has_mig(const gpu::Board& board) { return !gpu::profiles(board.model).empty(); }
bool is_cut(const gpu::Board& board) { return board.mig_enabled && has_mig(board); }
std::string board_name(const gpu::Board& board) { return fmt::format("gpu-{}", board.index); }
std::string set_name(const gpu::Board& board) { return board_name(board) + "-counter-set"; }
JsonObject value(int64_t n) { return {{"value", std::to_string(n)}}; }

JsonObject counters(gpu::UnitMask units, int slices) {
  JsonObject all{{"compute-slices", value(slices)}};
  for (int unit = 0; unit < 8; ++unit)
    if (units >> unit & 1) all[fmt::format("memory-slice-{}", unit)] = value(1);
  return all;
}
JsonObject all_counters(const gpu::Board& board) {
  return counters(gpu::UnitMask((1u << gpu::memory_units(board.model)) - 1),
                  gpu::compute_slices(board.model));
}

JsonArray taken(const gpu::Board& board, JsonObject what) {
  return {JsonObject{{"counterSet", set_name(board)}, {"counters", std::move(what)}}};
}

JsonObject instance(const NodeConfig& node, const gpu::Board& board, const gpu::Profile& profile, int start) {
  JsonObject attributes{{"type", JsonObject{{"string", "mig"}}},
                        {"profile", JsonObject{{"string", profile.name}}},
                        {"parentUUID", JsonObject{{"string", board.uuid}}},
                        {"parentIndex", JsonObject{{"int", board.index}}},
                        {"productName", JsonObject{{"string", board.product}}},
                        {"model", JsonObject{{"string", board.model}}},
                        {"simulated", JsonObject{{"bool", node.gpus.simulated}}},
                        {"healthy", JsonObject{{"bool", board.healthy}}}};
  if (board.numa_node >= 0) attributes["numaNode"] = JsonObject{{"int", board.numa_node}};
  const JsonObject memory{{"value", fmt::format("{}Mi", profile.memory_mib)}};
  return {{"name", gpu::instance_name(board_name(board), profile, start)},
          {"attributes", attributes},
          {"capacity", JsonObject{{"memory", memory}}},
          {"consumesCounters", taken(board, counters(profile.at(start), profile.slices))}};
}

JsonArray instances(const NodeConfig& node) {
  JsonArray all;
  for (const gpu::Board& board : node.gpus.boards) {
    if (!is_cut(board)) continue;
    for (const gpu::Profile& profile : gpu::profiles(board.model))
      for (int start = 0; start < 8; ++start)
        if (profile.may_start(start)) all.push_back(instance(node, board, profile, start));
  }
  return all;
}

JsonArray sets(const NodeConfig& node) {
  JsonArray all;
  for (const gpu::Board& board : node.gpus.boards)
    if (is_cut(board))
      all.push_back(JsonObject{{"name", set_name(board)}, {"counters", all_counters(board)}});
  return all;
}

size_t parts(size_t items, size_t most) { return (items + most - 1) / most; }

size_t slices_of(const NodeConfig& node, bool (*counts)(const gpu::Board&)) {
  size_t boards = 0, devices = 0;
  for (const gpu::Board& board : node.gpus.boards) {
    if (!counts(board)) continue;
    ++boards;
    for (const gpu::Profile& profile : gpu::profiles(board.model))
      devices += size_t(std::popcount(profile.starts));
  }
  return parts(boards, kMostSets) + parts(devices, kMostDevices);
}

void add_slices(std::vector<JsonObject>& out, const NodeConfig& node, int64_t generation,
                std::string_view field, const JsonArray& items, size_t most) {
  for (size_t from = 0; from < items.size(); from += most) {
    JsonObject spec{{"driver", kGpuDriver}, {"nodeName", node.name}, {"pool", slice_pool(node, generation)}};
    spec[field] = JsonArray(items.begin() + ptrdiff_t(from),
                            items.begin() + ptrdiff_t(std::min(from + most, items.size())));
    out.push_back(
        {{"apiVersion", "resource.k8s.io/v1"},
         {"kind", "ResourceSlice"},
         {"metadata", JsonObject{{"name", fmt::format("{}-{}-{}", node.name, kGpuDriver, out.size())}}},
         {"spec", std::move(spec)}});
  }
}
}  // namespace

JsonObject slice_pool(const NodeConfig& node, int64_t generation) {
  return {{"name", node.name},
          {"generation", generation},
          {"resourceSliceCount", 1 + int64_t(slices_of(node, is_cut))}};
}

JsonArray board_counters(const gpu::Board& board) {
  return is_cut(board) ? taken(board, all_counters(board)) : JsonArray();
}

std::vector<JsonObject> partition_slices(const NodeConfig& node, int64_t generation) {
  std::vector<JsonObject> out;
  add_slices(out, node, generation, "sharedCounters", sets(node), kMostSets);
  add_slices(out, node, generation, "devices", instances(node), kMostDevices);
  return out;
}

std::vector<std::string> partition_slice_names(const NodeConfig& node) {
  std::vector<std::string> names;
  for (size_t i = 0; i < slices_of(node, has_mig); ++i)
    names.push_back(fmt::format("{}-{}-{}", node.name, kGpuDriver, i));
  return names;
}

}  // namespace ingot::node
