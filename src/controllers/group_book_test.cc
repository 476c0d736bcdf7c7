// What PodGroups say of their pods.
#include "controllers/placement_testing.h"

namespace ingot::controllers {
namespace {

struct GroupBookTest : PlacementTest {
  static inline const Key kGroup{ClusterId("c1"), "podgroups.scheduling.x-k8s.io", "default", "train"};
  GroupBookTest() {
    tenant("vision", "c1");
    node("n1", 4);
    settle();
  }
  void group(int64_t least) {
    put(kGroup,
        JsonObject{{"metadata", JsonObject{{"name", "train"}}}, {"spec", JsonObject{{"minMember", least}}}});
    step();
  }
  void step() {
    f.t.loop.advance(1s);
    settle();
  }
  void member(std::string name, int gpus = 1) {
    pod(name, gpus,
        {{"labels", JsonObject{{scheduler::kGangLabel, "train"}}},
         {"ownerReferences", JsonArray{JsonObject{{"kind", "Job"}, {"name", "digits"}, {"uid", "u"}}}}});
  }
  void phase(std::string_view name, std::string_view phase) {
    Json object = get(pod_key(name));
    api::set(object, {"status", "phase"}, phase);
    put(pod_key(name), std::move(object));
  }
  // "PHASE SCHEDULED RUNNING SUCCEEDED FAILED"
  std::string said() {
    const Json object = get(kGroup);
    std::string out(api::string_at(object, {"status", "phase"}));
    for (const std::string_view n : {"scheduled", "running", "succeeded", "failed"})
      out += " " + std::to_string(api::int_at(object, {"status", n}).value_or(-1));
    return out;
  }
};

TEST_P(GroupBookTest, SaysHowFarTheyAre) {
  group(2);
  EXPECT_EQ(said(), "Pending 0 0 0 0");
  member("w0");
  step();
  EXPECT_EQ(said(), "Pending 0 0 0 0");
  EXPECT_EQ(api::find(get(kGroup), {"status", "scheduleStartTime"}), nullptr);
  member("w1", 9);
  step();
  EXPECT_EQ(said(), "Scheduling 0 0 0 0");
  EXPECT_EQ(api::string_at(get(kGroup), {"status", "occupiedBy"}), "default/digits");
  const std::string began(api::string_at(get(kGroup), {"status", "scheduleStartTime"}));
  EXPECT_NE(began, "");
  erase(pod_key("w1"));
  member("w1");
  step();
  step();
  EXPECT_EQ(said(), "Scheduled 2 0 0 0");
  phase("w0", "Running");
  step();
  EXPECT_EQ(said(), "Scheduled 2 1 0 0");
  phase("w1", "Running");
  step();
  EXPECT_EQ(said(), "Running 2 2 0 0");
  phase("w0", "Failed");
  step();
  EXPECT_EQ(said(), "Failed 2 1 0 1");
  phase("w0", "Succeeded");
  phase("w1", "Succeeded");
  step();
  EXPECT_EQ(said(), "Finished 2 0 2 0");
  EXPECT_EQ(api::string_at(get(kGroup), {"status", "scheduleStartTime"}), began);
  erase(pod_key("w0"));
  erase(pod_key("w1"));
  step();
  EXPECT_EQ(said(), "Finished 2 0 2 0") << "though its pods are gone";
}

TEST_P(GroupBookTest, AThousandChangesOfItsPodsAreAFewWrites) {
  group(64);
  const auto watch = f.watch({"c1", "podgroups.scheduling.x-k8s.io", "default"});
  watch->take();
  for (int i = 0; i < 64; ++i) member("w" + std::to_string(i), 0);
  f.t.loop.run_until_idle();
  f.t.loop.advance(1s);
  for (int round = 0; round < 16; ++round)
    for (int i = 0; i < 64; ++i) phase("w" + std::to_string(i), round % 2 ? "Pending" : "Running");
  f.t.loop.advance(1s);
  size_t writes = 0;
  for (const std::string& change : watch->take()) writes += change.starts_with("~");
  EXPECT_GE(writes, 1u);
  EXPECT_LE(writes, 4u);
}

INSTANTIATE_TEST_SUITE_P(Runs, GroupBookTest, testing::Bool());

}  // namespace
}  // namespace ingot::controllers
