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

INSTANTIATE_TEST_SUITE_P(Runs, StoryTest, testing::Bool());

}  // namespace
}  // namespace ingot::controllers
