// What people are told of placement.
#include "controllers/placement_story.h"

#include "controllers/placement_testing.h"

namespace ingot::controllers {
namespace {

const Lookup kNothing = [](const Key&) { return nullptr; };

struct StoryTest : PlacementTest {
  Json story(std::string_view pod, std::string cluster, bool everyone) {
    Json out;
    EXPECT_TRUE(f.input([&](store::Turn& turn) {
      auto told = placement->explain(turn, pod_key(pod, cluster), everyone);
      ASSERT_TRUE(told.has_value()) << told.error().message;
      out = std::move(*told);
    }));
    return out;
  }
  JsonArray queues(std::string_view tenant) {
    JsonArray out;
    EXPECT_TRUE(f.input([&](store::Turn& turn) { out = placement->queues(turn, tenant); }));
    return out;
  }
  void two_tenants() {
    tenant("vision", "c1");
    tenant("speech", "c2");
    node("n1", 4);
    settle();
    pod("mine", 1);
    pod("theirs", 2, {}, "c2");
    settle();
    pod("waits", 2);
    settle();
  }
};

TEST_P(StoryTest, APodThatWaitsIsToldWhoHoldsWhatButNotTheNamesOfOtherTenantsPods) {
  two_tenants();
  const Json told = story("waits", "c1", false);
  EXPECT_EQ(api::string_at(told, {"pod"}), "vision/default/waits");
  EXPECT_EQ(api::string_at(told, {"asks"}), "2 GPUs");
  EXPECT_EQ(api::string_at(told, {"queue"}), "tenant vision");
  EXPECT_EQ(api::int_at(told, {"position"}), 1);
  EXPECT_EQ(api::string_at(told, {"reason"}), "1 of 4 GPUs free in pool default, needs 2");
  EXPECT_THAT(api::string_at(told, {"preemption"}), StartsWith("would preempt nothing: tenant vision"));
  const std::string nodes = api::to_text(api::array_at(told, {"nodes"}));
  EXPECT_EQ(nodes, R"([{"node":"n1","free":1,"of":4,"kept":false,"holders":)"
                   R"([{"pod":"another tenant","gpus":2},{"pod":"vision/default/mine","gpus":1}]}])");
  EXPECT_THAT(api::to_text(story("waits", "c1", true)), HasSubstr("speech/default/theirs"));
}

TEST_P(StoryTest, APlacedPodIsToldItsNodeItsDevicesAndWhyThere) {
  two_tenants();
  const Json told = story("mine", "c1", false);
  EXPECT_EQ(api::string_at(told, {"node"}), "n1");
  EXPECT_EQ(api::string_at(told, {"why"}), "the only node that fits");
  EXPECT_EQ(api::array_at(told, {"devices"}).size(), 1u);
}

TEST_P(StoryTest, ATenantSeesItsOwnQueueOnly) {
  queue("research", JsonObject{{"guarantee", JsonObject{{"gpus", 4}}}});
  two_tenants();
  EXPECT_EQ(queues("").size(), 3u);
  const JsonArray own = queues("vision");
  ASSERT_EQ(own.size(), 1u);
  EXPECT_EQ(api::string_at(own[0], {"queue"}), "vision");
  EXPECT_EQ(api::int_at(own[0], {"pending"}), 1);
  EXPECT_EQ(api::string_at(own[0], {"head", "pod"}), "default/waits");
}

TEST_P(StoryTest, WhatIsCreatedIsToldWhenItStartsAndOnlyIfItAsksForGpus) {
  two_tenants();
  Json later = pod_object("later", 2);
  const ClusterId cluster("c1");
  auto expected = placement->estimate(cluster, later, kNothing);
  ASSERT_TRUE(expected);
  EXPECT_EQ(expected->forecast.starts, std::nullopt);
  EXPECT_EQ(expected->forecast.reason, "1 of 4 GPUs free in pool default, needs 2");
  EXPECT_EQ(expected->pods, 1);
  expected = placement->estimate(cluster, pod_object("now", 1), kNothing);
  ASSERT_TRUE(expected);
  EXPECT_EQ(expected->forecast.starts, f.t.clock.wall());
  EXPECT_FALSE(placement->estimate(cluster, pod_object("cpu", 0), kNothing));
  const Json job = JsonObject{
      {"kind", "Job"},
      {"metadata", JsonObject{{"name", "j"}, {"namespace", "default"}}},
      {"spec",
       JsonObject{{"parallelism", 3}, {"activeDeadlineSeconds", 60}, {"template", pod_object("", 1)}}}};
  expected = placement->estimate(cluster, job, kNothing);
  ASSERT_TRUE(expected);
  EXPECT_EQ(expected->pods, 3);
  EXPECT_EQ(expected->run_time, std::chrono::seconds(60));
  EXPECT_EQ(expected->forecast.starts, f.t.clock.wall()) << "its first pod does";
  Json gang = job;
  api::set(gang, {"metadata", "annotations"}, JsonObject{{scheduler::kGang, "true"}});
  expected = placement->estimate(cluster, gang, kNothing);
  ASSERT_TRUE(expected);
  EXPECT_EQ(expected->forecast.starts, std::nullopt) << "only all of them together";
}

// What is foretold to be held is what then is: parts of GPUs by how large the node and its pool make them.
TEST_P(StoryTest, WhatIsForetoldIsWhatIsBilled) {
  node("n1", 4);
  JsonArray devices;
  for (int i = 0; i < 4; ++i)
    devices.push_back(
        *api::parse_json(R"({"name":"gpu","attributes":{"uuid":{"string":"GPU-)" + std::to_string(i) +
                         R"("},"model":{"string":"H100-80GB"}},"capacity":{"memory":{"value":"81559Mi"}}})"));
  put(root("resourceslices.resource.k8s.io", "n1-gpu.nvidia.com"),
      JsonObject{{"spec", JsonObject{{"nodeName", "n1"}, {"devices", devices}}}});
  put(root("pools.factory.ingot.dev", "default"),
      JsonObject{{"metadata", JsonObject{{"name", "default"}}}, {"spec", JsonObject{{"replicas", 3}}}});
  tenant("vision", "c1");
  const auto asks = [](std::string name, std::string_view resource, JsonObject annotations = {}) {
    Json pod = pod_object(std::move(name), 0, {{"annotations", std::move(annotations)}});
    JsonArray containers = api::array_at(pod, {"spec", "containers"});
    if (!resource.empty()) api::set(containers[0], {"resources", "limits", resource}, "1");
    api::set(pod, {"spec", "containers"}, std::move(containers));
    return pod;
  };
  const std::pair<Json, int64_t> pods[] = {
      {asks("whole", "nvidia.com/gpu"), 1000},
      {asks("replica", "nvidia.com/gpu.shared"), 333},
      {asks("fraction", "", {{"gpu-fraction", "0.25"}}), 250},
      {asks("memory", "", {{"gpu-memory", "20390"}}), 251},
      {asks("slice", "nvidia.com/mig-3g.40gb"), 500},
      {asks("part", "nvidia.com/mig-3g.40gb.shared"), 166},
  };
  for (const auto& [pod, milli] : pods) {
    settle();
    const std::string name(api::string_at(pod, {"metadata", "name"}));
    const auto expected = placement->estimate(ClusterId("c1"), pod, kNothing);
    ASSERT_TRUE(expected) << name;
    EXPECT_EQ(expected->forecast.gpu_milli, milli) << name;
    put(pod_key(name), pod);
    settle();
    const Json held = get(root("allocations.factory.ingot.dev", "c1-uid-" + name));
    int64_t billed = 0;
    for (const Json& d : api::array_at(held, {"spec", "devices"}))
      billed += gpu::board_milli(api::string_at(d, {"model"}), api::string_at(d, {"profile"}),
                                 int32_t(api::int_at(d, {"milli"}).value_or(1000)));
    EXPECT_EQ(billed, milli) << name << ": " << reason(name);
  }
}

INSTANTIATE_TEST_SUITE_P(Runs, StoryTest, testing::Bool());

}  // namespace
}  // namespace ingot::controllers
