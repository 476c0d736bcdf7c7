#include "controllers/idleness.h"

#include <gmock/gmock.h>

#include "store/testing.h"

namespace ingot::controllers {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::Key;
using namespace std::chrono_literals;

// A pod on a board of node n1 in pool "batch". Also with the shard opened again between steps.
class IdlenessTest : public testing::TestWithParam<bool> {
 protected:
  store::Fixture f;
  gpu::Telemetry telemetry;
  gpu::Sample sample{.uuid = "GPU-0", .utilisation = 0};
  std::unique_ptr<Idleness> idleness = make();

  std::unique_ptr<Idleness> make() { return std::make_unique<Idleness>(f.t.env, *f.shard, telemetry); }
  void SetUp() override {
    telemetry.set_source("n1", [this] { return std::vector<gpu::Sample>{sample}; });
    put({kRootCluster, "nodes", "", "n1"},
        JsonObject{{"metadata", JsonObject{{"name", "n1"},
                                           {"labels", JsonObject{{"factory.ingot.dev/pool", "batch"}}}}}});
  }
  void pool(std::string after, bool reclaim) {
    put({kRootCluster, "pools.factory.ingot.dev", "", "batch"},
        JsonObject{{"spec", JsonObject{{"idle", JsonObject{{"after", after}, {"reclaim", reclaim}}}}}});
  }
  void pass(Duration time) {
    f.t.loop.advance(time);
    if (!GetParam()) return;
    idleness.reset();
    f.reopen();
    idleness = make();
    f.t.loop.run_until_idle();
  }
  void put(const Key& key, Json object) {
    ASSERT_TRUE(f.input([&](store::Turn& turn) { ASSERT_TRUE(turn.put(key, std::move(object))); }));
    f.t.loop.run_until_idle();
  }
  Json get(const Key& key) {
    Json found;
    EXPECT_TRUE(f.input([&](store::Turn& turn) {
      if (const auto object = turn.get(key)) found = object->parse();
    }));
    return found;
  }
  static Key pod_key() { return {ClusterId("c1"), "pods", "default", "p"}; }
  static Key allocation_key() { return {kRootCluster, "allocations.factory.ingot.dev", "", "uid-p"}; }
  void pod(JsonObject device = {{"uuid", "GPU-0"}}, bool preemptible = true) {
    put(pod_key(),
        JsonObject{{"apiVersion", "v1"},
                   {"kind", "Pod"},
                   {"metadata", JsonObject{{"name", "p"}, {"namespace", "default"}, {"uid", "uid-p"}}},
                   {"spec", JsonObject{{"nodeName", "n1"}, {"terminationGracePeriodSeconds", 30}}},
                   {"status", JsonObject{{"phase", "Running"}}}});
    put(allocation_key(),
        JsonObject{{"metadata", JsonObject{{"name", "uid-p"}}},
                   {"spec", JsonObject{{"tenant", "red"},
                                       {"cluster", "c1"},
                                       {"namespace", "default"},
                                       {"pod", "p"},
                                       {"node", "n1"},
                                       {"devices", JsonArray{device}},
                                       {"work", JsonObject{{"preemptible", int(preemptible)}}}}},
                   {"status", JsonObject{{"phase", "Open"}}}});
  }
  std::string condition(std::string_view type, std::string_view field = "status") {
    const Json pod = get(pod_key());
    for (const Json& c : api::array_at(pod, {"status", "conditions"}))
      if (api::string_at(c, {"type"}) == type) return std::string(api::string_at(c, {field}));
    return "";
  }
  bool leaves() { return api::find(get(pod_key()), {"metadata", "deletionTimestamp"}) != nullptr; }
  Json idle() {
    const Json allocation = get(allocation_key());
    const Json* said = api::find(allocation, {"status", "idle"});
    return said ? *said : Json();
  }
  std::vector<std::string> events() {
    std::vector<std::string> found;
    EXPECT_TRUE(f.input([&](store::Turn& turn) {
      turn.range(api::type_prefix(ClusterId("c1"), "events"), "", [&](const api::ObjectPtr& object) {
        const Json event = object->parse();
        found.push_back(std::string(api::string_at(event, {"reason"})) + " x" +
                        std::to_string(api::int_at(event, {"count"}).value_or(0)));
        return true;
      });
    }));
    return found;
  }
};

TEST_P(IdlenessTest, AnUnusedGpuIsReportedThenReclaimed) {
  pool("30m", true);
  pod();
  pass(29min);
  EXPECT_EQ(condition(kGpuIdle), "");
  EXPECT_EQ(idleness->stats().idle, 1u);
  pass(2min);
  EXPECT_EQ(condition(kGpuIdle), "True");
  EXPECT_THAT(condition(kGpuIdle, "message"), testing::HasSubstr("its GPU is unused for 30m"));
  EXPECT_THAT(condition(kGpuIdle, "message"), testing::HasSubstr("unless used"));
  EXPECT_THAT(events(), testing::ElementsAre("GPUIdle x1"));
  EXPECT_FALSE(leaves());
  pass(3min);
  EXPECT_TRUE(leaves());
  EXPECT_EQ(condition("DisruptionTarget", "reason"), "IdleGPUReclaimed");
  EXPECT_THAT(events(), testing::UnorderedElementsAre("GPUIdle x1", "IdleGPUReclaimed x1"));
}

TEST_P(IdlenessTest, WhatMayNotBeEvictedIsOnlyReported) {
  pool("30m", true);
  pod({{"uuid", "GPU-0"}}, false);
  pass(31min);
  pass(24h);
  EXPECT_EQ(condition(kGpuIdle), "True");
  EXPECT_FALSE(leaves());
  EXPECT_THAT(events(), testing::ElementsAre("GPUIdle x1"));
}

TEST_P(IdlenessTest, WithoutAPoolsWordItIsReportedAfterHalfAnHourAndKept) {
  pod();
  pass(31min);
  EXPECT_EQ(condition(kGpuIdle), "True");
  pass(24h);
  EXPECT_FALSE(leaves());
}

TEST_P(IdlenessTest, UseEndsTheStretchAndItsLengthIsKept) {
  pool("30m", true);
  pod();
  pass(31min);
  EXPECT_EQ(api::string_at(idle(), {"since"}), "2026-01-02T03:00:00.000000Z");
  sample.utilisation = 80;
  pass(1min);
  EXPECT_EQ(condition(kGpuIdle), "False");
  EXPECT_EQ(api::find(idle(), {"since"}), nullptr);
  const int64_t first = api::int_at(idle(), {"seconds"}).value_or(0);
  EXPECT_GE(first, 31 * 60);
  EXPECT_LE(first, 31 * 60 + 15);
  sample.utilisation = 0;
  pass(10min);
  sample.utilisation = 80;
  pass(1min);
  EXPECT_GE(api::int_at(idle(), {"seconds"}).value_or(0), first + 9 * 60 + 45);
  EXPECT_FALSE(leaves());
}

TEST_P(IdlenessTest, AShortPauseIsNoIdleness) {
  pod();
  for (int i = 0; i < 5; ++i) {
    sample.utilisation = 0;
    pass(40s);
    sample.utilisation = 50;
    pass(20s);
  }
  EXPECT_TRUE(idle().is_null());
}

TEST_P(IdlenessTest, WithoutALookNothingIsIdle) {
  pool("30m", true);
  pod();
  pass(20min);
  sample.uuid = "GPU-other";
  pass(24h);
  EXPECT_EQ(condition(kGpuIdle), "");
  EXPECT_EQ(idleness->idle_since("uid-p"), std::nullopt);
}

TEST_P(IdlenessTest, AnInstanceIsJudgedByItself) {
  pool("30m", true);
  pod({{"uuid", "GPU-0"}, {"profile", "1g.10gb"}, {"start", 2}});
  pass(31min);
  EXPECT_EQ(condition(kGpuIdle), "") << "the board's figure says nothing about it";
  sample.utilisation = 90;
  sample.instances = {{.profile = "1g.10gb", .start = 0, .active = 0.9},
                      {.profile = "1g.10gb", .start = 2, .active = 0.0}};
  pass(31min);
  EXPECT_EQ(condition(kGpuIdle), "True");
}

INSTANTIATE_TEST_SUITE_P(Runs, IdlenessTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "ReopenedBetweenSteps" : "Straight"; });

}  // namespace
}  // namespace ingot::controllers
