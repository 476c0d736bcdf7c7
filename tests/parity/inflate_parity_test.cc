// Seeded arrivals come one by one through the live API onto hollow nodes, and through `ingot simulate inflate`: each pod
// gets the same node and the same boards, or none in both.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "apiserver/testing.h"
#include "controllers/placement.h"
#include "gpu/models.h"
#include "host/api_client.h"
#include "node/agent.h"
#include "node/hollow.h"
#include "replay/inflate.h"

namespace ingot {
namespace {

using api::Json;
using replay::TraceJob;
using replay::TraceNode;

// Where each pod went, in their order: "node uuid:milli uuid:milli", "" for nowhere.
using Places = std::vector<std::string>;

std::string place(const std::string& node, const std::vector<scheduler::Held>& devices) {
  std::string out = node;
  for (const scheduler::Held& d : devices) out += fmt::format(" {}:{}", d.uuid, d.milli);
  return out;
}

// Nodes and pods of the kinds that shared clusters have: several models, uneven CPU and memory beside the GPUs, whole
// GPUs, fractions of one, work without GPUs, and some that insists on models.
struct Workload {
  explicit Workload(uint64_t seed) : state(seed * 0x9e3779b97f4a7c15u + 7) {
    constexpr std::string_view kModels[] = {"T4", "V100-16GB", "V100-32GB", "A100-80GB"};
    constexpr int kGpus[] = {1, 2, 4, 8};
    for (int i = 0; i < 24; ++i) {
      const int gpus = kGpus[below(4)];
      nodes.push_back({.name = fmt::format("n{:02}", i),
                       .cpu_milli = int64_t(8 + 8 * below(3)) * 1000 * (gpus > 2 ? 3 : 1),
                       .memory_mib = int64_t(32 + 32 * below(3)) * 1024 * (gpus > 2 ? 3 : 1),
                       .gpus = gpus,
                       .model = std::string(kModels[below(4)])});
    }
    constexpr int kMilli[] = {190, 250, 500, 810, 900};
    for (int i = 0; i < 120; ++i) {
      TraceJob job{.name = fmt::format("j{}", i),
                   .cpu_milli = int64_t(1 + below(8)) * 500,
                   .memory_mib = int64_t(1 + below(16)) * 1024};
      const uint64_t kind = below(10);
      job.gpus = kind == 0 ? 0 : kind < 8 ? 1 : kGpus[below(4)];
      if (kind >= 1 && kind < 5) job.milli = kMilli[below(5)];
      if (job.gpus > 0 && below(4) == 0) job.models.emplace_back(kModels[below(4)]);
      if (!job.models.empty() && below(2) == 0) job.models.emplace_back(kModels[below(4)]);
      jobs.push_back(std::move(job));
    }
  }
  uint64_t below(uint64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % n;
  }

  uint64_t state;
  std::vector<TraceNode> nodes;
  std::vector<TraceJob> jobs;
};

node::NodeConfig config_of(const TraceNode& n) {
  node::NodeConfig config{.name = n.name,
                          .host_ip = "127.0.0.1",
                          .cpu_milli = n.cpu_milli,
                          .memory_bytes = n.memory_mib << 20,
                          .max_pods = 1'000,
                          .hollow = true};
  const gpu::Model* model = gpu::find_model(n.model);
  config.gpus.simulated = true;
  for (int g = 0; g < n.gpus; ++g)
    config.gpus.boards.push_back({.uuid = n.name + "/" + std::to_string(g),
                                  .index = g,
                                  .product = std::string(model->product),
                                  .model = n.model,
                                  .memory_mib = model->memory_mib});
  return config;
}

Json pod_of(const TraceJob& job, const std::string& name) {
  api::JsonObject requests{{"cpu", fmt::format("{}m", job.cpu_milli)},
                           {"memory", fmt::format("{}Mi", job.memory_mib)}};
  api::JsonObject metadata{{"name", name}}, limits, spec;
  if (job.milli < 1000)
    metadata["annotations"] = api::JsonObject{{"gpu-fraction", fmt::format("0.{:03}", job.milli)}};
  else if (job.gpus > 0)
    limits["nvidia.com/gpu"] = job.gpus;
  spec["restartPolicy"] = "Never";
  spec["containers"] = api::JsonArray{
      api::JsonObject{{"name", "main"},
                      {"image", "any"},
                      {"resources", api::JsonObject{{"requests", requests}, {"limits", limits}}}}};
  api::JsonArray products;
  for (const std::string& model : job.models)
    products.emplace_back(gpu::product_label(gpu::find_model(model)->product));
  if (!products.empty()) {
    const Json term =
        api::JsonObject{{"matchExpressions",
                         api::JsonArray{api::JsonObject{
                             {"key", "nvidia.com/gpu.product"}, {"operator", "In"}, {"values", products}}}}};
    api::Json affinity;
    api::set(affinity,
             {"nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"},
             api::JsonArray{term});
    spec["affinity"] = affinity;
  }
  return api::JsonObject{{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", metadata}, {"spec", spec}};
}

// The live factory: API server, placement, and an agent a node.
class Live {
 public:
  Live(const std::vector<TraceNode>& nodes, uint64_t seed)
      : placement_(plane_.t.env, *plane_.shard, {.policy = {.seed = seed}}) {
    owner_ = plane_.tenant("trace");
    for (const TraceNode& n : nodes) agents_.push_back(std::make_unique<Hollow>(plane_, n));
    for (const auto& agent : agents_) agent->agent.start();
    plane_.t.loop.run_until_idle();
  }

  std::string arrive(const TraceJob& job, const std::string& name) {
    const auto made = plane_.call(owner_, "POST", kPods, api::to_text(pod_of(job, name)));
    EXPECT_EQ(made.code, 201) << made.body;
    const std::string uid(api::string_at(made.json(), {"metadata", "uid"}));
    plane_.t.loop.advance(std::chrono::seconds(1));  // its node has said how it is
    const Json pod = plane_.call(owner_, "GET", kPods + "/" + name).json();
    const std::string node(api::string_at(pod, {"spec", "nodeName"}));
    if (node.empty()) {
      EXPECT_EQ(plane_.call(owner_, "DELETE", kPods + "/" + name).code, 200);
      return "";
    }
    EXPECT_EQ(api::string_at(pod, {"status", "phase"}), "Running") << name << " on " << node;
    const Json held =
        plane_.call(plane_.operator_identity(), "GET", "/apis/factory.ingot.dev/v1alpha1/allocations/" + uid)
            .json();
    std::vector<scheduler::Held> devices;
    for (const Json& d : api::array_at(held, {"spec", "devices"})) {
      devices.emplace_back(std::string(api::string_at(d, {"uuid"})));
      devices.back().milli = int32_t(api::int_at(d, {"milli"}).value_or(1000));
    }
    return place(node, devices);
  }

 private:
  inline static const std::string kPods = "/api/v1/namespaces/default/pods";
  struct Hollow {
    Hollow(apiserver::TestControlPlane& plane, const TraceNode& n)
        : transport(plane.t.loop, *plane.server, host::node_identity(n.name)),
          api(plane.t.env, transport),
          runtime(plane.t.env),
          agent(config_of(n), plane.t.env, api, runtime, files) {}
    host::InProcessTransport transport;
    node::ListWatchApi api;
    node::HollowRuntime runtime;
    node::HollowFiles files;
    node::Agent agent;
  };

  apiserver::TestControlPlane plane_;
  controllers::Placement placement_;
  apiserver::Identity owner_;
  std::vector<std::unique_ptr<Hollow>> agents_;
};

class InflateParity : public testing::TestWithParam<uint64_t> {};

TEST_P(InflateParity, TheLiveApiPlacesAsTheSimulatorDoes) {
  const Workload work(GetParam());
  Places simulated;
  replay::InflateOptions options;
  options.placed = [&](const std::vector<scheduler::Binding>& bindings) {
    simulated.push_back(bindings.empty() ? "" : place(bindings[0].node, bindings[0].devices));
  };
  const replay::InflateResult result = replay::inflate(work.nodes, work.jobs, GetParam(), options);
  ASSERT_EQ(simulated.size(), result.arrived);
  ASSERT_GT(result.placed, 50u);
  ASSERT_LT(result.placed, result.arrived) << "the cluster fills up";

  Live live(work.nodes, GetParam());
  replay::Arrivals arrivals(work.jobs, GetParam());
  for (size_t i = 0; i < simulated.size(); ++i) {
    const TraceJob& job = arrivals.next();
    ASSERT_EQ(live.arrive(job, fmt::format("p{}", i)), simulated[i])
        << "arrival " << i << ", " << job.name << ": " << job.gpus << " GPUs of " << job.milli << " milli";
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, InflateParity, testing::Values(1, 2, 3));

}  // namespace
}  // namespace ingot
