// What the factory learns of run times, and who goes by it.
#include "controllers/placement_testing.h"

namespace ingot::controllers {
namespace {

const Lookup kNothing = [](const Key&) { return nullptr; };

struct RunBookTest : PlacementTest {
  static constexpr Duration kRan = 100s;
  RunBookTest() {
    tenant("vision", "c1");
    node("n1", 4);
    settle();
  }
  static JsonObject by_job(std::string name) {
    return {{"ownerReferences", JsonArray{JsonObject{{"apiVersion", "batch/v1"},
                                                     {"kind", "Job"},
                                                     {"name", std::move(name)},
                                                     {"uid", "u"},
                                                     {"controller", true}}}}};
  }
  // As its node does once the container has stopped.
  void ends(const std::string& name, std::string_view phase) {
    Json ended = get(pod_key(name));
    api::set(ended, {"status", "phase"}, phase);
    put(pod_key(name), ended);
    settle();
    const Key key = root("allocations.factory.ingot.dev", "c1-uid-" + name);
    Json released = get(key);
    api::set(released, {"status"},
             JsonObject{{"phase", "Released"}, {"to", to_rfc3339_micro(f.t.clock.wall())}});
    put(key, released);
    settle();
  }
  void run(const std::string& name, JsonObject metadata, Duration ran = kRan,
           std::string_view phase = "Succeeded") {
    pod(name, 1, std::move(metadata));
    settle();
    ASSERT_EQ(node_of(name), "n1");
    f.t.loop.advance(ran);
    ends(name, phase);
  }
  std::vector<Json> learnt() {
    std::vector<Json> out;
    f.t.loop.advance(10s);  // within which all is written
    EXPECT_TRUE(f.input([&](store::Turn& turn) {
      turn.range(api::type_prefix(kRootCluster, "pastruns.factory.ingot.dev"), "",
                 [&](const api::ObjectPtr& o) {
                   out.push_back(o->parse());
                   return true;
                 });
    }));
    return out;
  }
  std::optional<Duration> expected(JsonObject metadata) {
    const auto found =
        placement->estimate(ClusterId("c1"), pod_object("new", 1, std::move(metadata)), kNothing);
    return found ? found->run_time : std::nullopt;
  }
};

TEST_P(RunBookTest, WhatEndedByItselfTellsHowLongMoreOfTheSameRuns) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(expected(by_job("nightly-29000000")), std::nullopt) << i;
    run("nightly-" + std::to_string(i), by_job("nightly-2839104" + std::to_string(i)));
  }
  EXPECT_EQ(expected(by_job("nightly-29000000")), 110s);
  EXPECT_EQ(expected(by_job("hourly-29000000")), std::nullopt);
  const auto objects = learnt();
  ASSERT_EQ(objects.size(), 1u);
  EXPECT_EQ(api::string_at(objects[0], {"spec", "origin"}), "default/Job/nightly/1");
  EXPECT_EQ(api::array_at(objects[0], {"spec", "runs"}).size(), 5u);
  EXPECT_EQ(api::int_at(objects[0], {"spec", "expectedSeconds"}), 110);

  const Json job =
      JsonObject{{"kind", "Job"},
                 {"metadata", JsonObject{{"generateName", "nightly-"}, {"namespace", "default"}}},
                 {"spec", JsonObject{{"template", pod_object("", 1)}}}};
  const auto of_job = placement->estimate(ClusterId("c1"), job, kNothing);
  ASSERT_TRUE(of_job);
  EXPECT_EQ(of_job->run_time, 110s);

  // Who waits is told when such work is expected to end.
  pod("holder", 1, by_job("nightly-29000000"));
  settle();
  const WallTime began = f.t.clock.wall();
  f.t.loop.advance(5s);
  const auto large = placement->estimate(ClusterId("c1"), pod_object("large", 4), kNothing);
  ASSERT_TRUE(large);
  EXPECT_EQ(large->forecast.starts, began + 110s);
  EXPECT_EQ(large->forecast.after, "c1-uid-holder");
}

TEST_P(RunBookTest, WhatFailedOrWasToldToGoTellsNothingUnlessItRanLongerThanExpected) {
  for (int i = 0; i < 5; ++i) run("sweep-" + std::to_string(i), {}, 1s, "Failed");
  EXPECT_EQ(learnt().size(), 0u);
  for (int i = 5; i < 10; ++i) run("sweep-" + std::to_string(i), {});
  Json next = pod_object("sweep-77", 1);
  EXPECT_EQ(placement->estimate(ClusterId("c1"), next, kNothing)->run_time, 110s);
  run("sweep-10", {}, 1h, "Failed");
  EXPECT_EQ(placement->estimate(ClusterId("c1"), next, kNothing)->run_time, 3960s);
  api::set(next, {"spec", "activeDeadlineSeconds"}, 60);
  EXPECT_EQ(placement->estimate(ClusterId("c1"), next, kNothing)->run_time, 60s) << "its deadline is sooner";
}

TEST_P(RunBookTest, WhatWasLearntOfATenantGoesWithIt) {
  run("sweep-1", {});
  ASSERT_EQ(learnt().size(), 1u);
  erase(root("tenants.factory.ingot.dev", "vision"));
  settle();
  EXPECT_EQ(learnt().size(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Runs, RunBookTest, testing::Bool());

TEST(NameStem, IsWhatNamesOfOneTemplateHaveInCommon) {
  const std::pair<std::string_view, std::string_view> kCases[] = {{"train", "train"},
                                                                  {"train-x8f2k", "train"},
                                                                  {"nightly-28391040", "nightly"},
                                                                  {"exp-12-x8f2k", "exp"},
                                                                  {"train-small", "train-small"},
                                                                  {"resnet50", "resnet50"},
                                                                  {"train-", "train"},
                                                                  {"-1", "-1"},
                                                                  {"", ""},
                                                                  {"gpt-2.1", "gpt"},
                                                                  {"a-bcdf", "a-bcdf"}};
  for (const auto& [name, stem] : kCases) EXPECT_EQ(scheduler::name_stem(name), stem) << name;
}

}  // namespace
}  // namespace ingot::controllers
