#include "scheduler/schedule.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <random>

namespace ingot::scheduler {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};
constexpr int64_t kGi = int64_t(1) << 30;

Node node(std::string name, int gpus, int64_t cpu = 32'000, int64_t memory = 256 * kGi) {
  Node n{.name = name, .cpu_milli = cpu, .memory_bytes = memory, .pods = 110, .ready = true};
  for (int i = 0; i < gpus; ++i) n.devices.push_back({"GPU-" + name + "-" + std::to_string(i), "H100-80GB"});
  return n;
}

Unit pod(std::string id, int64_t gpus, std::string tenant = "vision", int age_s = 0) {
  Request request{.cpu_milli = 1000, .memory_bytes = kGi, .gpus = gpus};
  return {.id = id, .tenant = tenant, .created = kNow - std::chrono::seconds(age_s), .pods = {{id, request}}};
}

std::string reason(const Placements& p, std::string_view unit) {
  for (const Waiting& w : p.waiting)
    if (w.unit == unit) return *w.reason;
  return "";
}
std::vector<std::string> placed(const Placements& p) {
  std::vector<std::string> out;
  for (const Binding& b : p.bindings) out.push_back(b.pod + "@" + b.node);
  return out;
}

struct ScheduleTest : testing::Test {
  Model model;
  Policy policy;
  Placements run() { return schedule(model, policy, kNow); }
  std::string why(Unit unit) {
    const std::string id = unit.id;
    model.set_unit(std::move(unit));
    return reason(run(), id);
  }
};

TEST_F(ScheduleTest, GivesThePodTheFirstFreeHealthyDevices) {
  Node n = node("n1", 4);
  n.devices[1].healthy = false;
  model.set_node(n);
  model.open({.uid = "old", .tenant = "speech", .node = "n1", .devices = {"GPU-n1-0"}});
  model.set_unit(pod("a", 2));
  const Placements p = run();
  ASSERT_THAT(placed(p), ElementsAre("a@n1"));
  EXPECT_EQ(p.bindings[0].devices[0].uuid, "GPU-n1-2");
  EXPECT_EQ(p.bindings[0].devices[1].uuid, "GPU-n1-3");
  EXPECT_EQ(model.gpus_held("vision"), 2);
  EXPECT_EQ(model.units(), 0u);
}

TEST_F(ScheduleTest, TakesTheNodeThatIsLeftWithTheFewestGpus) {
  model.set_node(node("whole", 8));
  model.set_node(node("half", 4));
  model.set_node(node("none", 0));
  model.set_unit(pod("g3", 3, "vision", 30));
  model.set_unit(pod("c", 0, "vision", 20));
  EXPECT_THAT(placed(run()), ElementsAre("g3@half", "c@none"));
}

TEST_F(ScheduleTest, AmongEqualGpusTakesTheTightestNodeThenTheFirstName) {
  model.set_node(node("b", 0, 16'000));
  model.set_node(node("a", 0, 32'000));
  model.set_node(node("c", 0, 16'000));
  model.set_unit(pod("p", 0));
  EXPECT_THAT(placed(run()), ElementsAre("p@b"));
}

TEST_F(ScheduleTest, AvoidsTaintsThatPreferNoPod) {
  Node n = node("a", 1);
  n.taints = {{"old", "", Effect::PreferNoSchedule}};
  model.set_node(n);
  model.set_node(node("b", 8));
  model.set_unit(pod("p", 1));
  EXPECT_THAT(placed(run()), ElementsAre("p@b"));
}

TEST_F(ScheduleTest, EveryFreedDeviceCanBeUsedAgain) {
  model.set_node(node("n1", 1));
  model.set_unit(pod("a", 1, "vision", 10));
  model.set_unit(pod("b", 1));
  EXPECT_THAT(placed(run()), ElementsAre("a@n1"));
  EXPECT_THAT(placed(run()), IsEmpty());
  model.close("a");
  EXPECT_THAT(placed(run()), ElementsAre("b@n1"));
}

TEST_F(ScheduleTest, AllocationsCountBeforeTheirNodeIsKnown) {
  model.open({.uid = "old", .tenant = "vision", .node = "n1", .devices = {"GPU-n1-0"}, .cpu_milli = 31'500});
  model.set_node(node("n1", 2));
  EXPECT_EQ(model.free_gpus("n1"), 1);
  EXPECT_EQ(why(pod("a", 1)), "500m of 32 CPUs free on nodes with 1 free GPU, needs 1");
  model.erase_node("n1");
  model.close("old");
  model.set_node(node("n1", 2));
  EXPECT_THAT(placed(run()), ElementsAre("a@n1"));
}

// --- order ---

TEST_F(ScheduleTest, PriorityThenAgeWithinATenant) {
  model.set_node(node("n1", 8));
  policy.max_units = 1;
  Unit urgent = pod("urgent", 1, "vision", 0);
  urgent.priority = 10;
  model.set_unit(pod("young", 1, "vision", 10));
  model.set_unit(pod("old", 1, "vision", 20));
  model.set_unit(urgent);
  EXPECT_THAT(placed(run()), ElementsAre("urgent@n1"));
  EXPECT_THAT(placed(run()), ElementsAre("old@n1"));
  const Placements last = run();
  EXPECT_THAT(placed(last), ElementsAre("young@n1"));
  EXPECT_FALSE(last.more);
}

// A long line of equals that nobody's leaving helps must not use up the searches of a pass.
TEST_F(ScheduleTest, WhoseSearchForVictimsIsInVainDoesNotHideWhoComesAfter) {
  model.set_node(node("n", 8));
  const auto holds = [&](std::string uid, int64_t priority, int first) {
    Allocation a{.uid = uid, .tenant = "vision", .node = "n", .since = kNow - 1h};
    for (int i = first; i < first + 4; ++i) a.devices.push_back("GPU-n-" + std::to_string(i));
    a.work = {.unit = uid, .priority = priority};
    model.open(std::move(a));
  };
  holds("low", 0, 0);
  holds("high", 10, 4);
  for (size_t i = 0; i < 2 * policy.max_preemptors; ++i) {
    Unit large = pod("large-" + std::to_string(i), 8, "vision", 60);
    large.priority = 5;
    model.set_unit(std::move(large));
  }
  Unit last = pod("last", 4);
  last.priority = 5;
  model.set_unit(std::move(last));
  const Placements p = run();
  ASSERT_EQ(p.evictions.size(), 1u);
  EXPECT_EQ(p.evictions[0].pod, "low");
  EXPECT_EQ(p.evictions[0].for_unit, "last");
}

TEST_F(ScheduleTest, NothingPassesWhereTheOrderIsStrict) {
  model.set_node(node("n1", 4));
  model.set_unit(pod("large", 8, "vision", 20));
  model.set_unit(pod("small", 1, "vision", 10));
  model.set_unit(pod("other", 1, "speech", 0));
  policy.strict = true;
  EXPECT_THAT(placed(run()), ElementsAre("other@n1")) << "each queue has its own line";
  policy.strict = false;
  EXPECT_THAT(placed(run()), ElementsAre("small@n1"));
}

TEST_F(ScheduleTest, TenantsShareByWeight) {
  model.set_node(node("n1", 8));
  model.set_tenant({.id = "vision", .name = "vision", .weight = 3});
  model.set_tenant({.id = "speech", .name = "speech", .weight = 1});
  for (int i = 0; i < 10; ++i) {
    model.set_unit(pod("v" + std::to_string(i), 1, "vision", 100 - i));
    model.set_unit(pod("s" + std::to_string(i), 1, "speech", 100 - i));
  }
  run();
  EXPECT_EQ(model.gpus_held("vision"), 6);
  EXPECT_EQ(model.gpus_held("speech"), 2);
}

TEST_F(ScheduleTest, ATenantBelowItsGuaranteeGoesFirst) {
  model.set_node(node("n1", 4));
  model.set_tenant({.id = "vision", .name = "vision", .gpu_guarantee = 3});
  model.open({.uid = "v", .tenant = "vision", .node = "n1", .devices = {"GPU-n1-0"}});
  for (int i = 0; i < 4; ++i) {
    model.set_unit(pod("v" + std::to_string(i), 1, "vision"));
    model.set_unit(pod("s" + std::to_string(i), 1, "speech", 100));
  }
  run();
  EXPECT_EQ(model.gpus_held("vision"), 3);
  EXPECT_EQ(model.gpus_held("speech"), 1);
}

TEST_F(ScheduleTest, AUnitThatDoesNotFitIsPassedOver) {
  model.set_node(node("n1", 2));
  model.set_unit(pod("big", 4, "vision", 60));
  model.set_unit(pod("small", 1));
  EXPECT_THAT(placed(run()), ElementsAre("small@n1"));
}

TEST_F(ScheduleTest, WhoWaitedLongestGetsANodeReserved) {
  model.set_node(node("n1", 2));
  model.open({.uid = "old", .tenant = "speech", .node = "n1", .devices = {"GPU-n1-0"}});
  model.set_unit(pod("big", 2, "vision", 200));
  const Placements early = run();
  ASSERT_TRUE(early.revisit);
  EXPECT_EQ(*early.revisit, kNow + 100s);

  const WallTime later = kNow + 100s;
  EXPECT_THAT(schedule(model, policy, later).bindings, IsEmpty());
  model.set_unit(pod("small", 1));
  const Placements held = schedule(model, policy, later + 1s);
  EXPECT_THAT(held.bindings, IsEmpty());
  EXPECT_EQ(reason(held, "small"),
            "what is free on nodes with 1 free GPU is kept for a pod that has waited longer");
  EXPECT_EQ(*held.revisit, later + 30min);

  model.close("old");
  EXPECT_THAT(placed(schedule(model, policy, later + 2s)), ElementsAre("big@n1"));
}

TEST_F(ScheduleTest, AReservationEndsAfterItsTime) {
  model.set_node(node("n1", 2));
  model.open({.uid = "old", .tenant = "speech", .node = "n1", .devices = {"GPU-n1-0"}});
  model.set_unit(pod("big", 2, "vision", 400));
  run();
  model.set_unit(pod("small", 1));
  EXPECT_THAT(schedule(model, policy, kNow + 29min).bindings, IsEmpty());
  EXPECT_THAT(placed(schedule(model, policy, kNow + 31min)), ElementsAre("small@n1"));
}

// --- limits and gangs ---

TEST_F(ScheduleTest, TheLimitOfATenantHolds) {
  model.set_node(node("n1", 16));
  model.set_tenant({.id = "vision", .name = "vision", .gpu_limit = 8});
  for (int i = 0; i < 9; ++i) model.set_unit(pod("p" + std::to_string(i), 1));
  const Placements p = run();
  EXPECT_EQ(model.gpus_held("vision"), 8);
  EXPECT_EQ(reason(p, "p8"), "tenant vision is at its limit of 8 GPUs, needs 1");
  EXPECT_EQ(why(pod("q", 9)), "tenant vision may hold 8 GPUs at most, needs 9");
  model.close("p0");
  EXPECT_THAT(placed(run()), ElementsAre("p8@n1"));
  model.close("p1");
  EXPECT_EQ(why(pod("r", 4)), "tenant vision holds 7 of its limit of 8 GPUs, needs 4");
}

TEST_F(ScheduleTest, ATenantBeingDeletedGetsNothing) {
  model.set_node(node("n1", 1));
  model.set_tenant({.id = "vision", .name = "vision", .terminating = true});
  EXPECT_EQ(why(pod("a", 1)), "tenant vision is being deleted");
}

Unit gang(std::string name, int size, int64_t gpus) {
  Unit u = pod(name, gpus);
  const PendingPod one = u.pods[0];
  u.pods.clear();
  for (int i = 0; i < size; ++i) u.pods.push_back({name + "-" + std::to_string(i), one.request});
  return u;
}

TEST_F(ScheduleTest, AGangIsPlacedWholeOrNotAtAll) {
  model.set_node(node("n1", 8));
  model.set_node(node("n2", 4));
  EXPECT_EQ(why(gang("train", 4, 4)), "gang train needs 16 GPUs together; the factory has 12");
  model.set_node(node("n3", 4));
  model.open({.uid = "held", .tenant = "speech", .node = "n3", .devices = {"GPU-n3-0"}});
  const Placements waits = run();
  EXPECT_EQ(reason(waits, "train"),
            "3 of 4 pods of the gang fit: 3 of 16 GPUs free in pool default, needs 4");
  EXPECT_THAT(waits.bindings, IsEmpty());
  EXPECT_EQ(model.gpus_held("vision"), 0);
  model.close("held");
  EXPECT_EQ(run().bindings.size(), 4u);
  EXPECT_EQ(model.gpus_held("vision"), 16);
}

TEST_F(ScheduleTest, AFailedGangLeavesTheRoomToOthers) {
  model.set_node(node("n1", 8));
  Unit train = gang("train", 3, 4);
  train.created = kNow - 60s;
  model.set_unit(train);
  model.set_unit(pod("single", 4));
  EXPECT_THAT(placed(run()), ElementsAre("single@n1"));
}

TEST_F(ScheduleTest, ThePlantedBugLeavesAPartialGang) {
  model.set_node(node("n1", 8));
  model.set_unit(gang("train", 3, 4));
  policy.plant_partial_gang = true;
  EXPECT_EQ(run().bindings.size(), 2u);
}

// --- reasons ---

TEST_F(ScheduleTest, SaysWhatIsMissing) {
  EXPECT_EQ(why(pod("a", 1)), "the factory has no node");
  model.erase_unit("a");
  model.set_node(node("n1", 8, 8'000, 64 * kGi));
  model.open({.uid = "old",
              .tenant = "s",
              .node = "n1",
              .devices = {"GPU-n1-0", "GPU-n1-1", "GPU-n1-2", "GPU-n1-3", "GPU-n1-4", "GPU-n1-5"},
              .cpu_milli = 7'000,
              .memory_bytes = 60 * kGi});
  EXPECT_EQ(why(pod("gpus", 4)), "2 of 8 GPUs free in pool default, needs 4");
  EXPECT_EQ(why(pod("never", 16)), "needs 16 GPUs on one node; the largest node has 8");
  Unit u = pod("cpu", 0);
  u.pods[0].request.cpu_milli = 2'500;
  EXPECT_EQ(why(u), "1 of 8 CPUs free in pool default, needs 2500m");
  u = pod("memory", 0);
  u.pods[0].request.cpu_milli = 100;
  u.pods[0].request.memory_bytes = 16 * kGi;
  EXPECT_EQ(why(u), "4Gi of 64Gi memory free in pool default, needs 16Gi");
  u.pods[0].request.memory_bytes = 70 * kGi + 12'345'678;
  EXPECT_EQ(why(u), "needs 70.0Gi memory on one node; the largest node has 64Gi");
  u = pod("huge", 0);
  u.pods[0].request.cpu_milli = 64'000;
  EXPECT_EQ(why(u), "needs 64 CPUs on one node; the largest node has 8");
  u = pod("rdma", 0);
  u.pods[0].request.unknown = "rdma/hca";
  EXPECT_EQ(why(u), "no node offers rdma/hca");
  model.set_node(node("n2", 8));
  model.open({.uid = "other",
              .tenant = "s",
              .node = "n2",
              .devices = {"GPU-n2-0", "GPU-n2-1", "GPU-n2-2", "GPU-n2-3", "GPU-n2-4"}});
  EXPECT_EQ(reason(run(), "gpus"), "5 of 16 GPUs free in pool default, but at most 3 on one node, needs 4");
}

TEST_F(ScheduleTest, SaysWhichRuleKeepsAPodOffEveryNode) {
  Node n = node("n1", 8);
  n.labels = {{"zone", "a"}};
  model.set_node(n);
  Unit u = pod("selector", 1);
  u.pods[0].request.where.selector = {{"zone", "b"}};
  EXPECT_EQ(why(u), "the only node does not match the node selector zone=b");
  u = pod("affinity", 1);
  u.pods[0].request.where.affinity = {{{.labels = {{.key = "zone", .op = Requirement::Op::DoesNotExist}}}}};
  EXPECT_EQ(why(u), "the only node does not match the required node affinity");
  u = pod("proposed", 1);
  u.pods[0].request.where.node = "n9";
  EXPECT_EQ(why(u), "the proposed node \"n9\" does not exist");
  n.taints = {{"dedicated", "speech", Effect::NoSchedule}};
  model.set_node(n);
  EXPECT_EQ(why(pod("taint", 1)),
            "the node that matches has a taint that the pod does not tolerate: dedicated=speech:NoSchedule");
  u = pod("tolerant", 1);
  u.pods[0].request.where.tolerations = {{.key = "dedicated", .exists = true}};
  EXPECT_EQ(why(u), "");
  n.cordoned = true;
  model.set_node(n);
  EXPECT_EQ(reason(run(), "taint"), "the node that matches is cordoned");
  n.ready = false;
  model.set_node(n);
  EXPECT_EQ(reason(run(), "taint"), "the node that matches is not ready");
}

TEST_F(ScheduleTest, AProposedNodeIsTheOnlyOne) {
  model.set_node(node("n1", 8));
  model.set_node(node("n2", 1));
  Unit u = pod("a", 2);
  u.pods[0].request.where.node = "n1";
  model.set_unit(u);
  EXPECT_THAT(placed(run()), ElementsAre("a@n1"));
  u = pod("b", 1);
  u.pods[0].request.where.node = "n2";
  model.set_unit(u);
  EXPECT_THAT(placed(run()), ElementsAre("b@n2"));
  u.id = "c";
  u.pods[0].uid = "c";
  EXPECT_EQ(why(u), "0 of 1 GPU free on node n2, needs 1");
}

TEST_F(ScheduleTest, EveryPendingUnitHasAReasonOncePassesAreThrough) {
  for (int i = 0; i < 20; ++i) model.set_node(node("n" + std::to_string(i), 1));
  policy.max_checks = 50;
  for (int i = 0; i < 30; ++i) {
    Unit u = pod("p" + std::to_string(i), 2);
    u.pods[0].request.cpu_milli = 100 + i;  // a class of its own each
    model.set_unit(u);
  }
  Placements p;
  int passes = 0;
  do p = run();
  while (p.more && ++passes < 100);
  EXPECT_LT(passes, 100);
  EXPECT_EQ(p.waiting.size(), 30u);
  EXPECT_EQ(reason(p, "p29"), "needs 2 GPUs on one node; the largest node has 1");
}

}  // namespace
}  // namespace ingot::scheduler
