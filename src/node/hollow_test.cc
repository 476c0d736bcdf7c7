#include "node/hollow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/agent.h"
#include "node/registration.h"
#include "node/testing.h"

namespace ingot::node {
namespace {
using namespace std::chrono_literals;

struct HollowTest : testing::Test {
  HollowTest() {
    config = {
        .name = "hollow-0", .cpu_milli = 1000, .memory_bytes = 1 << 30, .max_pods = 5000, .hollow = true};
    agent = std::make_unique<Agent>(config, t.env, api, runtime, files);
    agent->start();
    t.loop.run_until_idle();
  }
  static std::string path(int i) { return fmt::format("/clusters/vision/api/v1/namespaces/n/pods/p{}", i); }
  void bind(int i, std::string_view script, std::string_view more = "") {
    api.put(
        fmt::format("/clusters/root/apis/factory.ingot.dev/v1alpha1/allocations/u{}", i),
        parsed(fmt::format(
            R"({{"metadata":{{"name":"u{}"}},"spec":{{"tenant":"vision","cluster":"c7","namespace":"n","pod":"p{}"}},"status":{{"phase":"Open"}}}})",
            i, i)));
    api::Json pod = parsed(fmt::format(
        R"({{"metadata":{{"uid":"u{}","name":"p{}","namespace":"n"}},"spec":{{"restartPolicy":"Never"{},"containers":[{{"name":"c","image":"any"}}]}}}})",
        i, i, more));
    if (!script.empty()) api::set(pod, {"metadata", "annotations", "ingot.dev/hollow"}, script);
    api.put(path(i), pod);
    t.loop.run_until_idle();
  }
  std::string_view phase(int i) { return api::string_at(api.objects.at(path(i)), {"status", "phase"}); }
  const api::Json& container(int i) {
    return api::array_at(api.objects.at(path(i)), {"status", "containerStatuses"}).at(0);
  }

  env::TestEnv t;
  NodeConfig config;
  FakeApi api{t.env};
  HollowRuntime runtime{t.env};
  FakeFiles files;
  std::unique_ptr<Agent> agent;
};

TEST_F(HollowTest, AScriptSaysHowLongAndHowItEnds) {
  bind(1, R"({"runSeconds": 5, "exitCode": 3, "gpuUtil": 80})");
  t.loop.advance(1s);
  EXPECT_EQ(phase(1), "Running");
  EXPECT_EQ(runtime.gpu_utilisation("u1"), 80);
  t.loop.advance(6s);
  EXPECT_EQ(phase(1), "Failed");
  EXPECT_EQ(api::int_at(container(1), {"state", "terminated", "exitCode"}), 3);
  EXPECT_EQ(runtime.gpu_utilisation("u1"), 0);
}

TEST_F(HollowTest, AQuickStartIsToldOfOnce) {
  bind(1, R"({"runSeconds": 5})");
  t.loop.advance(1s);
  EXPECT_EQ(phase(1), "Running");
  EXPECT_EQ(api.count("PATCH", "/pods/p1/status"), 1u);
}

TEST_F(HollowTest, AQuickEndIsToldOfOnce) {
  bind(1, R"({"runSeconds": 0})");
  t.loop.advance(1s);
  EXPECT_EQ(phase(1), "Succeeded");
  EXPECT_EQ(api.count("PATCH", "/pods/p1/status"), 1u);
}

TEST_F(HollowTest, WhatDoesNotStartIsToldOfAfterAMoment) {
  t.faults.arm("node.sandbox.fail", 10);
  bind(1, "");
  t.loop.advance(4s);
  EXPECT_EQ(api.count("PATCH", "/pods/p1/status"), 0u);
  t.loop.advance(1s);
  EXPECT_EQ(api.count("PATCH", "/pods/p1/status"), 1u);
  EXPECT_EQ(phase(1), "Pending");
}

TEST_F(HollowTest, WithoutAScriptItRunsForEver) {
  bind(1, "");
  t.loop.advance(std::chrono::hours(2));
  EXPECT_EQ(phase(1), "Running");
}

TEST_F(HollowTest, ABadScriptSaysSo) {
  bind(1, R"({"runSecond": 5})");
  EXPECT_EQ(phase(1), "Failed");
  EXPECT_EQ(api::int_at(container(1), {"state", "terminated", "exitCode"}), 128);
  EXPECT_THAT(std::string(api::string_at(container(1), {"state", "terminated", "message"})),
              testing::HasSubstr("unknown field \"runSecond\""));
}

TEST_F(HollowTest, InitContainersEndAtOnce) {
  bind(1, R"({"runSeconds": 5})", R"(,"initContainers":[{"name":"i","image":"any"}])");
  t.loop.advance(1s);
  EXPECT_EQ(phase(1), "Running");
  t.loop.advance(6s);
  EXPECT_EQ(phase(1), "Succeeded");
}

TEST_F(HollowTest, InjectedFailuresEndAsRealOnes) {
  t.faults.arm("node.container.fail");
  bind(1, R"({"runSeconds": 10})");
  t.loop.advance(6s);
  EXPECT_EQ(phase(1), "Failed");
  EXPECT_EQ(api::int_at(container(1), {"state", "terminated", "exitCode"}), 137);
  t.faults.arm("node.sandbox.fail");
  bind(2, R"({"runSeconds": 1})");
  t.loop.advance(10s);
  EXPECT_EQ(phase(2), "Succeeded") << "a sandbox is tried again";
}

TEST_F(HollowTest, HundredsOfPodsComeAndGo) {
  for (int i = 0; i < 300; ++i) bind(i, R"({"runSeconds": 1})");
  t.loop.advance(3s);
  for (int i = 0; i < 300; ++i) ASSERT_EQ(phase(i), "Succeeded") << i;
  EXPECT_EQ(agent->counts().holding, 0u);
}

TEST(Registration, MakesWhatIsMissingAndKeepsTheLease) {
  env::TestEnv t;
  FakeApi api{t.env};
  NodeConfig config{
      .name = "node-0", .host_ip = "10.0.0.1", .cpu_milli = 8000, .memory_bytes = int64_t{16} << 30};
  config.gpus = {
      .simulated = true,
      .boards = {
          {.uuid = "GPU-0", .product = "NVIDIA H100 80GB HBM3", .model = "H100-80GB", .memory_mib = 81152},
          {.uuid = "GPU-1", .index = 1, .healthy = false, .fault = "XID 79"}}};
  Registration registration(t.env, api, config);
  registration.start();
  registration.ready();
  t.loop.advance(25s);
  const api::Json& node = api.objects.at("/clusters/root/api/v1/nodes/node-0");
  EXPECT_EQ(api::string_at(node, {"metadata", "labels", "nvidia.com/gpu.product"}), "NVIDIA-H100-80GB-HBM3");
  EXPECT_EQ(api::string_at(node, {"metadata", "labels", "ingot.dev/simulated"}), "true");
  EXPECT_EQ(api::string_at(node, {"status", "capacity", "nvidia.com/gpu"}), "2");
  EXPECT_EQ(api::string_at(node, {"status", "allocatable", "nvidia.com/gpu"}), "1")
      << "one board is not healthy";
  EXPECT_EQ(api::string_at(api::array_at(node, {"status", "conditions"}).at(3), {"status"}), "True");
  const api::Json& slice =
      api.objects.at("/clusters/root/apis/resource.k8s.io/v1/resourceslices/node-0-gpu.nvidia.com");
  ASSERT_EQ(api::array_at(slice, {"spec", "devices"}).size(), 2u);
  EXPECT_EQ(api.count("PATCH", "/leases/node-0"), 3u);
}

TEST(Registration, AFaultIsInTheSliceAndInACondition) {
  env::TestEnv t;
  FakeApi api{t.env};
  NodeConfig config{.name = "node-0"};
  config.gpus.boards = {{.uuid = "GPU-0"}, {.uuid = "GPU-1", .index = 1}};
  Registration registration(t.env, api, config);
  registration.start();
  t.loop.advance(1s);
  const api::Json& slice =
      api.objects.at("/clusters/root/apis/resource.k8s.io/v1/resourceslices/node-0-gpu.nvidia.com");
  const api::Json& node = api.objects.at("/clusters/root/api/v1/nodes/node-0");
  const auto attribute = [&](std::string_view name) {
    return api::find(api::array_at(slice, {"spec", "devices"}).at(1), {"attributes", name});
  };
  const auto health = [&] { return api::array_at(node, {"status", "conditions"}).at(4); };
  EXPECT_EQ(api::string_at(health(), {"type"}), kGpuHealthy);
  EXPECT_EQ(api::string_at(health(), {"status"}), "True");
  EXPECT_EQ(attribute("unhealthyReason"), nullptr);

  config.gpus.boards[1].healthy = false;
  config.gpus.boards[1].fault = "XID 79: GPU has fallen off the bus";
  registration.refresh();
  t.loop.advance(1s);
  EXPECT_FALSE(api::bool_at(*attribute("healthy"), {"bool"}));
  EXPECT_EQ(api::string_at(*attribute("unhealthyReason"), {"string"}), "XID 79: GPU has fallen off the bus");
  EXPECT_EQ(api::string_at(health(), {"status"}), "False");
  EXPECT_EQ(api::string_at(health(), {"message"}), "GPU 1 (GPU-1): XID 79: GPU has fallen off the bus");

  config.gpus.boards[1].healthy = true;
  registration.refresh();
  t.loop.advance(1s);
  EXPECT_TRUE(api::bool_at(*attribute("healthy"), {"bool"}));
  EXPECT_EQ(attribute("unhealthyReason"), nullptr);
}

TEST(Events, AreCountedAndBounded) {
  env::TestEnv t;
  FakeApi api{t.env};
  Events events(t.env, api, "node-0");
  const auto pod = *parse_pod(
      parsed(R"({"metadata":{"uid":"u","name":"p","namespace":"n"},"spec":{"containers":[{"name":"c"}]}})"));
  for (int i = 0; i < 100; ++i) {
    events.warning("/clusters/vision", *pod, &pod->containers[0], "BackOff", "again");
    t.loop.run_until_idle();
  }
  EXPECT_EQ(api.count("POST", "/events"), 1u);
  EXPECT_EQ(api.count("PATCH", "/events/"), size_t(Events::kBurst) - 1);
  EXPECT_EQ(events.dropped(), 100u - Events::kBurst);
  const api::Json& first = api.objects.rbegin()->second;
  EXPECT_EQ(api::int_at(first, {"count"}), Events::kBurst);
  EXPECT_EQ(api::string_at(first, {"involvedObject", "fieldPath"}), "spec.containers{c}");
}

}  // namespace
}  // namespace ingot::node
