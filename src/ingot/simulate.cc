// ingot simulate: traces against the live scheduler, without a factory.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "ingot/commands.h"
#include "ingot/output.h"
#include "ingot/simulate.h"
#include "replay/inflate.h"

namespace ingot {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using scheduler::PlacementCost;

constexpr uint64_t kMostSeeds = 1000;

// "42-51" or "7".
std::expected<std::pair<uint64_t, uint64_t>, std::string> seed_range(const std::string& text) {
  uint64_t first = 0, last = 0;
  const char* end = text.data() + text.size();
  auto read = std::from_chars(text.data(), end, first);
  last = first;
  if (read.ec == std::errc{} && read.ptr != end && *read.ptr == '-')
    read = std::from_chars(read.ptr + 1, end, last);
  if (read.ec != std::errc{} || read.ptr != end || last < first || last - first >= kMostSeeds)
    return std::unexpected(fmt::format("--seeds \"{}\" is not a number or a range such as 42-51", text));
  return std::pair(first, last);
}

JsonObject by_mark(const std::vector<int>& marks, const std::vector<double>& values) {
  JsonObject out;
  for (size_t i = 0; i < values.size(); ++i)
    out[std::to_string(marks[i])] = std::round(values[i] * 1000) / 1000;
  return out;
}

JsonObject figures(const replay::InflateResult& r) {
  return {{"allocation_pct", by_mark(r.marks_pct, r.allocation_pct)},
          {"fragmentation_pct", by_mark(r.marks_pct, r.fragmentation_pct)}};
}

}  // namespace

const std::map<std::string, PlacementCost>& placement_policies() {
  static const std::map<std::string, PlacementCost> kPolicies{{"waste", PlacementCost::Waste},
                                                              {"fgd", PlacementCost::Fgd},
                                                              {"best-fit", PlacementCost::BestFit},
                                                              {"random", PlacementCost::Random}};
  return kPolicies;
}

int simulate_inflate(const Common& common, const InflateOptions& options) {
  const auto seeds = seed_range(options.seeds);
  if (!seeds) return failed(seeds.error());
  const auto node_text = read_text(options.nodes), pod_text = read_text(options.pods);
  if (!node_text) return failed(node_text.error());
  if (!pod_text) return failed(pod_text.error());
  const auto nodes = replay::openb_nodes(options.nodes, *node_text);
  if (!nodes) return failed(nodes.error());
  if (nodes->empty()) return failed(options.nodes + " has no node with GPUs");
  const auto jobs = replay::openb_pods(options.pods, *pod_text, &*nodes);
  if (!jobs) return failed(jobs.error());
  if (std::ranges::none_of(*jobs, [](const auto& j) { return j.gpus > 0; }))
    return failed(options.pods + " has no pod that asks for a GPU");

  Progress progress(common.json);
  const replay::InflateOptions how{options.until_pct, placement_policies().at(options.policy)};
  JsonArray all;
  replay::InflateResult mean;
  const auto count = double(seeds->second - seeds->first + 1);
  Table table({"SEED", "ARRIVED", "PLACED", "ALLOCATED", "FRAGMENTED"});
  table.right(1).right(2).right(3).right(4);
  const auto line = [&](std::string name, const replay::InflateResult& r) {
    table.row({std::move(name), std::to_string(r.arrived), std::to_string(r.placed),
               fmt::format("{:.2f} %", r.allocation_pct.back()),
               fmt::format("{:.2f} %", r.fragmentation_pct.back())});
  };
  for (uint64_t seed = seeds->first; seed <= seeds->second; ++seed) {
    const auto r = replay::inflate(*nodes, *jobs, seed, how, [&](double pct) {
      progress.say(fmt::format("seed {}: {:.0f} % of the capacity asked for", seed, pct));
    });
    if (r.allocation_pct.size() < r.marks_pct.size())
      return failed(fmt::format("{}: a thousand times its pods do not ask for {} % of the GPUs", options.pods,
                                options.until_pct));
    mean.marks_pct = r.marks_pct;
    mean.allocation_pct.resize(r.marks_pct.size());
    mean.fragmentation_pct.resize(r.marks_pct.size());
    mean.arrived += r.arrived;
    mean.placed += r.placed;
    for (size_t i = 0; i < r.marks_pct.size(); ++i) {
      mean.allocation_pct[i] += r.allocation_pct[i] / count;
      mean.fragmentation_pct[i] += r.fragmentation_pct[i] / count;
    }
    JsonObject one = figures(r);
    one["seed"] = seed;
    all.push_back(std::move(one));
    line(std::to_string(seed), r);
  }
  if (common.json) {
    print_json(JsonObject{{"seeds", std::move(all)}, {"mean", figures(mean)}});
    return kOk;
  }
  mean.arrived = size_t(double(mean.arrived) / count);
  mean.placed = size_t(double(mean.placed) / count);
  line("mean", mean);
  table.print();
  return kOk;
}

}  // namespace ingot
