// Figures of the scheduler alone, on one core: build/release/scheduler_bench [ID…] prints one JSON object a line. Each
// figure is the slowest of its cases, each case the median of its runs, every run on a model made afresh, so that
// what a first pass has to build counts.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "base/assert.h"
#include "scheduler/schedule.h"

namespace ingot::scheduler {
namespace {

using Steady = std::chrono::steady_clock;
using Mode = TopologyAsk::Mode;
constexpr WallTime kStart{std::chrono::seconds(1'800'000'000)};
constexpr int kBlock = 1, kRack = 2;

struct Case {
  std::string name;
  double ms = 0;
};

double pass_ms(Model& model, size_t bindings) {
  const auto start = Steady::now();
  const Placements placements = schedule(model, {}, kStart);
  const double ms = std::chrono::duration<double, std::milli>(Steady::now() - start).count();
  ASSERT(placements.bindings.size() == bindings);
  return ms;
}

double median_ms(const std::function<double()>& run) {
  std::vector<double> times(7);
  for (double& t : times) t = run();
  std::ranges::sort(times);
  return times[times.size() / 2];
}

// Nodes of eight GPUs behind a switch, `per_rack` of them in a rack, five racks in a block. `taken`: on every third
// node one GPU is held already.
Model machines(int nodes, int per_rack, bool taken) {
  Model model;
  for (int i = 0; i < nodes; ++i) {
    Node n{.name = "node-" + std::to_string(i),
           .cpu_milli = 128'000,
           .memory_bytes = int64_t(2) << 40,
           .pods = 110,
           .labels = {{"kubernetes.io/hostname", "node-" + std::to_string(i)},
                      {"cloud.provider.com/topology-rack", "rack-" + std::to_string(i / per_rack)},
                      {"cloud.provider.com/topology-block", "block-" + std::to_string(i / per_rack / 5)}},
           .ready = true};
    n.links.boards = 8;
    for (int gpu = 0; gpu < 8; ++gpu) {
      n.devices.push_back({.uuid = n.name + "-gpu-" + std::to_string(gpu), .model = "H100-80GB"});
      n.links.numa[size_t(gpu)] = int8_t(gpu / 4);
      n.links.peers[size_t(gpu)] = gpu::BoardMask(0xff & ~(1 << gpu));
    }
    const std::string first = n.devices[0].uuid, name = n.name;
    model.set_node(std::move(n));
    if (taken && i % 3 == 0)
      model.open(
          {.uid = "held-" + std::to_string(i), .tenant = "other", .node = name, .devices = {Held(first)}});
  }
  return model;
}

void add_gang(Model& model, int pods, TopologyAsk ask, const Affinity& asks) {
  Unit gang{.id = "gang", .tenant = "vision", .created = kStart, .topology = ask};
  for (int i = 0; i < pods; ++i) {
    const std::string uid = "gang-" + std::to_string(i);
    gang.pods.push_back({uid, {.cpu_milli = 8'000, .memory_bytes = int64_t(64) << 30, .gpus = 1}});
    if (!asks.empty())
      model.set_subject(
          uid,
          {.cluster = "c",
           .space = "default",
           .labels = {{"app", "train"}, {"batch.kubernetes.io/job-completion-index", std::to_string(i)}},
           .asks = asks},
          false);
  }
  model.set_unit(std::move(gang));
}

std::vector<Case> gang512() {
  const int host = TopologyTree().host();
  struct Kind {
    const char* name;
    int per_rack;
    TopologyAsk ask;
    bool spread;
  };
  const Kind kinds[] = {
      {"one rack required", 125, {.mode = Mode::Required, .level = kRack}, false},
      {"one block required, groups of 8 on a node",
       25,
       {.mode = Mode::Required, .level = kBlock, .group = 8, .group_level = host},
       false},
      {"a rack preferred, racks of 16 nodes", 16, {.mode = Mode::Preferred, .level = kRack}, false},
      {"one block required, spread evenly over racks", 25, {.mode = Mode::Required, .level = kBlock}, true},
  };
  std::vector<Case> out;
  for (const Kind& kind : kinds) {
    Affinity asks;
    if (kind.spread)
      asks.spread = {{.key = "cloud.provider.com/topology-rack",
                      .labels = {{{"app", Requirement::Op::In, {"train"}}}},
                      .max_skew = 512}};
    out.push_back({kind.name, median_ms([&] {
                     Model model = machines(500, kind.per_rack, true);
                     add_gang(model, 512, kind.ask, asks);
                     return pass_ms(model, 512);
                   })});
  }
  return out;
}

struct Figure {
  const char* id;
  std::vector<Case> (*measure)();
};
constexpr Figure kFigures[] = {{"gang512_ms", gang512}};

int run(const std::vector<std::string>& wanted) {
  for (const Figure& figure : kFigures) {
    if (!wanted.empty() && std::ranges::find(wanted, figure.id) == wanted.end()) continue;
    const std::vector<Case> cases = figure.measure();
    const auto slowest = std::ranges::max_element(cases, {}, &Case::ms);
    std::printf(R"({"id":"%s","value":%.3f,"note":"%zu cases; the slowest: %s"})"
                "\n",
                figure.id, slowest->ms, cases.size(), slowest->name.c_str());
    for (const Case& c : cases) std::fprintf(stderr, "%s  %s: %.3f ms\n", figure.id, c.name.c_str(), c.ms);
  }
  return 0;
}

}  // namespace
}  // namespace ingot::scheduler

int main(int argc, char** argv) { return ingot::scheduler::run({argv + 1, argv + argc}); }
