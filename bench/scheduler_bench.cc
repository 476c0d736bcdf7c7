// Figures of the scheduler alone, on one core: build/release/scheduler_bench [ID…] prints one JSON object a line. Each
// figure is the worst of its cases, each case the median of its runs, every run on a model made afresh, so that
// what a first pass has to build counts.
//
// Mixed clusters: OPENB names a folder with openb_node_list_gpu_node.csv and openb_pod_list_default.csv (Alibaba's
// cluster-trace-gpu-v2023); without it a cluster and pods of like make-up are drawn from a seed.
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "base/assert.h"
#include "replay/inflate.h"
#include "scheduler/schedule.h"

namespace ingot::scheduler {
namespace {

using Mode = TopologyAsk::Mode;
constexpr WallTime kStart{std::chrono::seconds(1'800'000'000)};
constexpr int kBlock = 1, kRack = 2;

struct Case {
  std::string name;
  double value = 0;
};

// Time of this thread alone, in milliseconds: what else the machine does does not count. It waits for nothing.
double thread_ms() {
  timespec t{};
  ASSERT(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
  return double(t.tv_sec) * 1e3 + double(t.tv_nsec) / 1e6;
}

double pass_ms(Model& model, size_t bindings) {
  const auto start = thread_ms();
  const Placements placements = schedule(model, {}, kStart);
  const double ms = thread_ms() - start;
  ASSERT(placements.bindings.size() == bindings);
  return ms;
}

double median(const std::function<double()>& run) {
  std::vector<double> values(7);
  for (double& v : values) v = run();
  std::ranges::sort(values);
  return values[values.size() / 2];
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
    out.push_back({kind.name, median([&] {
                     Model model = machines(500, kind.per_rack, true);
                     add_gang(model, 512, kind.ask, asks);
                     return pass_ms(model, 512);
                   })});
  }
  return out;
}

// --- placements one after the other ---

// 10,000 pods of one GPU each on 5,000 nodes of eight, in passes as the factory makes them.
std::vector<Case> place() {
  return {{"10,000 one-GPU pods on 5,000 nodes of 8 GPUs", median([] {
             Model model = machines(5'000, 125, false);
             const auto start = thread_ms();
             for (int i = 0; i < 10'000; ++i) {
               const std::string id = "pod-" + std::to_string(i);
               model.set_unit(
                   {.id = id,
                    .tenant = "vision",
                    .created = kStart,
                    .pods = {{id, {.cpu_milli = 8'000, .memory_bytes = int64_t(64) << 30, .gpus = 1}}}});
             }
             size_t placed = 0;
             for (Placements p{.more = true}; p.more; placed += p.bindings.size())
               p = schedule(model, {}, kStart);
             ASSERT(placed == 10'000);
             return 1000.0 * double(placed) / (thread_ms() - start);
           })}};
}

struct Mix {
  const char* origin;
  std::vector<replay::TraceNode> nodes;
  std::vector<replay::TraceJob> jobs;
};

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Nodes of several models and sizes, and pods from shares of a GPU to eight of them, some without any.
Mix drawn_mix() {
  std::mt19937_64 random(42);
  const auto below = [&](size_t n) { return size_t(random() % n); };
  struct Kind {
    int part;  // of all, per mille
    int gpus;
    int64_t cpu_milli, memory_mib;
    const char* model;
  };
  const Kind kNodes[] = {{450, 8, 96'000, 393'216, "G2"},
                         {30, 8, 128'000, 786'432, "G3"},
                         {110, 2, 32'000, 131'072, "P100"},
                         {330, 2, 104'000, 524'288, "T4"},
                         {80, 4, 48'000, 262'144, "V100"}};
  Mix mix{"drawn from a seed", {}, {}};
  for (const Kind& k : kNodes)
    for (int i = 0; i < k.part * 1'213 / 1'000; ++i)
      mix.nodes.push_back(
          {"node-" + std::to_string(mix.nodes.size()), k.cpu_milli, k.memory_mib, k.gpus, k.model});
  const int kMilli[] = {160, 230, 320, 460, 470, 590, 650, 810};
  for (int i = 0; i < 8'152; ++i) {
    const size_t kind = below(100);
    replay::TraceJob job{.name = "job-" + std::to_string(i), .tenant = "trace"};
    job.gpus = kind < 13 ? 0 : kind < 98 ? 1 : 8;
    if (kind >= 61 && kind < 98) job.milli = kMilli[below(std::size(kMilli))];
    const auto units = int64_t(std::max(1, job.gpus));
    job.cpu_milli = units * int64_t(1'000 + 800 * below(20));
    job.memory_mib = units * int64_t(4'096 + 4'096 * below(8));
    mix.jobs.push_back(std::move(job));
  }
  return mix;
}

const Mix& mix() {
  static const Mix kMix = [] {
    const char* folder = std::getenv("OPENB");
    if (!folder) return drawn_mix();
    const std::string at(folder);
    auto nodes = replay::openb_nodes(at, read(at + "/openb_node_list_gpu_node.csv"));
    auto jobs = replay::openb_pods(at, read(at + "/openb_pod_list_default.csv"), &nodes.value());
    return Mix{"openb's", std::move(nodes.value()), std::move(jobs.value())};
  }();
  return kMix;
}

struct Stream {
  double per_s = 0, p99_ms = 0;
};

// Pods arrive one by one on `nodes` nodes of the mix, each placed or dropped, till as much was asked for as there
// is, or 20,000 came. `shapes`: 0, or so many requests that differ in CPU and memory, in equal parts.
Stream arrivals(size_t nodes, size_t shapes) {
  Model model;
  int64_t capacity = 0, asked = 0;
  for (size_t i = 0; i < nodes; ++i) {
    scheduler::Node node = replay::node_of(mix().nodes[i % mix().nodes.size()]);
    node.name += "-" + std::to_string(i);
    for (Device& d : node.devices) d.uuid += "-" + std::to_string(i);
    capacity += int64_t(node.devices.size()) * 1000;
    model.set_node(std::move(node));
  }
  const Policy policy{.max_reservations = 0, .preempt = false, .explain = false};
  replay::Arrivals pods(mix().jobs, 42);
  std::vector<double> times;
  size_t placed = 0;
  const auto start = thread_ms();
  while (asked < capacity && times.size() < 20'000) {
    const replay::TraceJob& job = pods.next();
    asked += int64_t(job.gpus) * job.milli;
    Request request = replay::request_of(job, model);
    if (shapes > 0) {
      const auto other = int64_t(times.size() * 7'919 % shapes);
      request.cpu_milli += other % 50;
      request.memory_bytes += (other / 50) << 20;
    }
    const std::string id = "pod-" + std::to_string(times.size());
    const auto from = thread_ms();
    model.set_unit({.id = id, .tenant = "trace", .created = kStart, .pods = {{id, std::move(request)}}});
    const bool bound = !schedule(model, policy, kStart).bindings.empty();
    if (!bound) model.erase_unit(id);
    times.push_back(thread_ms() - from);
    placed += bound;
  }
  const double total_ms = thread_ms() - start;
  const auto at = times.begin() + std::ptrdiff_t(times.size() * 99 / 100);
  std::ranges::nth_element(times, at);
  return {1000.0 * double(placed) / total_ms, *at};
}

std::vector<Case> place_mixed() {
  return {{std::string("1,213 nodes and pods, ") + mix().origin,
           median([] { return arrivals(1'213, 0).per_s; })}};
}

std::vector<Case> place_p99() {
  const auto on_10_000 = [](size_t shapes) { return arrivals(10'000, shapes).p99_ms; };
  return {{std::string("10,000 nodes, pods ") + mix().origin, on_10_000(0)},
          {std::string("10,000 nodes, 2,000 further shapes of pods ") + mix().origin, on_10_000(2'000)}};
}

// --- reclaim ---

// 500 nodes of eight GPUs full of borrowed work of so many GPUs a pod; a gang of 250 that is due `gpus` each.
double reclaim_ms(int64_t gpus, int borrowed) {
  Model model = machines(500, 125, false);
  model.set_tenant({.id = "vision", .name = "vision", .gpu_guarantee = 250 * gpus});
  for (int node = 0; node < 500; ++node)
    for (int first = 0; first < 8; first += borrowed) {
      const std::string name = "node-" + std::to_string(node);
      Allocation a{.uid = name + "-pod-" + std::to_string(first),
                   .tenant = "speech",
                   .node = name,
                   .cpu_milli = 8'000,
                   .memory_bytes = int64_t(64) << 30,
                   .since = kStart - std::chrono::seconds(node * 8 + first)};
      for (int gpu = first; gpu < first + borrowed; ++gpu)
        a.devices.emplace_back(name + "-gpu-" + std::to_string(gpu));
      model.open(std::move(a));
    }
  Unit gang{.id = "gang", .tenant = "vision", .created = kStart};
  for (int i = 0; i < 250; ++i)
    gang.pods.push_back(
        {"gang-" + std::to_string(i), {.cpu_milli = 8'000, .memory_bytes = int64_t(64) << 30, .gpus = gpus}});
  model.set_unit(std::move(gang));
  const auto start = thread_ms();
  const Placements placements = schedule(model, {}, kStart);
  for (const Eviction& e : placements.evictions) model.close(e.pod);
  const Placements after = schedule(model, {}, kStart);
  const double ms = thread_ms() - start;
  ASSERT(after.bindings.size() == 250);
  return ms;
}

std::vector<Case> reclaim250() {
  return {{"pods of 1 GPU, from pods of 1", median([] { return reclaim_ms(1, 1); })},
          {"pods of 8 GPUs, from pods of 1", median([] { return reclaim_ms(8, 1); })},
          {"pods of 8 GPUs, from pods of 8", median([] { return reclaim_ms(8, 8); })}};
}

struct Figure {
  const char* id;
  std::vector<Case> (*measure)();
  bool more_is_better;
};
constexpr Figure kFigures[] = {{"place_per_s", place, true},
                               {"place_mixed_per_s", place_mixed, true},
                               {"place_p99_ms", place_p99, false},
                               {"gang512_ms", gang512, false},
                               {"reclaim250_ms", reclaim250, false}};

int run(const std::vector<std::string>& wanted) {
  for (const Figure& figure : kFigures) {
    if (!wanted.empty() && std::ranges::find(wanted, figure.id) == wanted.end()) continue;
    const std::vector<Case> cases = figure.measure();
    const auto worst = std::ranges::max_element(
        cases, {}, [&](const Case& c) { return figure.more_is_better ? -c.value : c.value; });
    std::printf(R"({"id":"%s","value":%.3f,"note":"the worst of %zu: %s"})"
                "\n",
                figure.id, worst->value, cases.size(), worst->name.c_str());
    std::fflush(stdout);
    for (const Case& c : cases) std::fprintf(stderr, "%s  %s: %.3f\n", figure.id, c.name.c_str(), c.value);
  }
  return 0;
}

}  // namespace
}  // namespace ingot::scheduler

int main(int argc, char** argv) { return ingot::scheduler::run({argv + 1, argv + argc}); }
