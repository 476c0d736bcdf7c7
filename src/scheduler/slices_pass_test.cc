// MIG instances, time shares, and shares of instances, through whole passes.
#include <gmock/gmock.h>

#include "scheduler/schedule.h"

namespace ingot::scheduler {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};
constexpr int64_t kGi = int64_t(1) << 30;

Node node(std::string name, int gpus, std::string model = "H100-80GB", int64_t memory_mib = 81'559) {
  Node n{.name = name, .cpu_milli = 64'000, .memory_bytes = 512 * kGi, .pods = 110, .ready = true};
  for (int i = 0; i < gpus; ++i)
    n.devices.push_back({"GPU-" + name + "-" + std::to_string(i), model, true, memory_mib});
  return n;
}

Unit pod(std::string id, Request request, std::string tenant = "vision") {
  request.cpu_milli = 100;
  request.memory_bytes = kGi;
  return {.id = id, .tenant = tenant, .created = kNow, .pods = {{id, request}}};
}
Request slices(std::string profile, int64_t n = 1) { return {.gpus = n, .profile = std::move(profile)}; }
Request whole(int64_t n) { return {.gpus = n}; }
Request share(int32_t milli) { return {.gpus = 1, .milli = milli}; }

struct SlicesTest : testing::Test {
  Model model;
  Policy policy;

  // What the pod got: "GPU-n-0", "GPU-n-0/3g.40gb@4", "…:500" of it; or why it got nothing.
  std::vector<std::string> ask(Unit unit) {
    const std::string id = unit.id;
    model.set_unit(std::move(unit));
    const Placements p = schedule(model, policy, kNow);
    std::vector<std::string> out;
    for (const Binding& b : p.bindings)
      if (b.unit == id)
        for (const Held& h : b.devices) out.push_back(text(h));
    for (const Waiting& w : p.waiting)
      if (w.unit == id) out.push_back(*w.reason);
    return out;
  }
  std::string ask1(Unit unit) {
    const auto got = ask(std::move(unit));
    return got.empty() ? "" : got.front();
  }
  static std::string text(const Held& h) {
    std::string out = h.uuid;
    if (!h.profile.empty()) out += "/" + h.profile + "@" + std::to_string(h.start);
    return h.milli < 1000 ? out + ":" + std::to_string(h.milli) : out;
  }
};

TEST_F(SlicesTest, CutsAFreeBoardAndGoesOnCuttingIt) {
  model.set_node(node("n", 2));
  EXPECT_EQ(ask1(pod("a", slices("3g.40gb"))), "GPU-n-0/3g.40gb@4");
  EXPECT_EQ(ask1(pod("b", slices("4g.40gb"))), "GPU-n-0/4g.40gb@0");
  EXPECT_EQ(ask1(pod("c", slices("4g.40gb"))), "GPU-n-1/4g.40gb@0");
  const Allocation* a = model.allocation("a");
  EXPECT_EQ(a->devices[0].memory_mib, 40'448);
  EXPECT_EQ(a->devices[0].milli, 1000);
}

TEST_F(SlicesTest, ABoardWithInstancesIsGivenToNobodyWholeOrShared) {
  model.set_node(node("n", 1));
  EXPECT_EQ(ask1(pod("a", slices("1g.10gb"))),
            "GPU-n-0/1g.10gb@" + std::to_string(model.allocation("a")->devices[0].start));
  EXPECT_EQ(ask1(pod("b", whole(1))), "0 of 1 GPU free in pool default, needs 1");
  EXPECT_EQ(ask1(pod("c", share(100))), "0 of 10 GPU shares of 100m free in pool default, needs 1");
  model.close("a");  // drained: MIG mode may change
  schedule(model, policy, kNow);
  EXPECT_TRUE(model.allocation("b"));
}

TEST_F(SlicesTest, ABoardThatIsHeldWholeOrSharedIsNotCut) {
  model.set_node(node("n", 2));
  ask(pod("a", whole(1)));
  ask(pod("b", share(10)));
  EXPECT_EQ(ask1(pod("c", slices("1g.10gb"))), "0 of 14 1g.10gb instances free in pool default, needs 1");
  model.close("b");
  EXPECT_TRUE(model.allocation("c") || (schedule(model, policy, kNow), model.allocation("c")));
}

TEST_F(SlicesTest, FreeSlicesAreCutAnewAroundWhatRuns) {
  model.set_node(node("n", 1));
  std::vector<int> starts;
  for (int i = 0; i < 7; ++i) {
    const std::string id = "p" + std::to_string(i);
    ASSERT_THAT(ask(pod(id, slices("1g.10gb"))), SizeIs(1));
    starts.push_back(model.allocation(id)->devices[0].start);
  }
  EXPECT_EQ(ask1(pod("more", slices("1g.10gb"))), "0 of 7 1g.10gb instances free in pool default, needs 1");
  model.erase_unit("more");
  // Units 0 to 3 come free: a 3g fits there, while what runs in 4 to 6 stays.
  for (int i = 0; i < 7; ++i)
    if (starts[size_t(i)] < 4) model.close("p" + std::to_string(i));
  EXPECT_EQ(ask1(pod("big", slices("3g.40gb"))), "GPU-n-0/3g.40gb@0");
}

TEST_F(SlicesTest, SeveralInstancesOfOneProfileForOnePod) {
  model.set_node(node("n", 2));
  EXPECT_THAT(ask(pod("a", slices("3g.40gb", 3))), SizeIs(3));
  EXPECT_EQ(ask1(pod("b", slices("3g.40gb", 2))), "1 of 4 3g.40gb instances free in pool default, needs 2");
  EXPECT_EQ(ask1(pod("c", slices("7g.80gb", 3))),
            "needs 3 7g.80gb instances on one node; the largest node has 2");
  EXPECT_EQ(ask1(pod("d", slices("1g.10gb+me", 1))).substr(0, 19), "GPU-n-1/1g.10gb+me@");
  EXPECT_EQ(ask1(pod("e", slices("1g.10gb+me", int64_t(1) << 32))),
            "needs 4294967296 1g.10gb+me instances on one node; the largest node has 2");
}

TEST_F(SlicesTest, TheMediaEnginesOfABoardAreGivenOnce) {
  model.set_node(node("n", 1));
  ASSERT_THAT(ask(pod("a", slices("1g.10gb+me"))), SizeIs(1));
  EXPECT_EQ(ask1(pod("b", slices("1g.10gb+me"))), "0 of 1 1g.10gb+me instance free in pool default, needs 1");
}

TEST_F(SlicesTest, AProfileThatNoBoardHasSaysWhichThereAreAndStopsNobody) {
  model.set_node(node("n", 1, "A30", 24'576));
  EXPECT_EQ(ask1(pod("a", slices("3g.40gb"))), "A30 has no profile 3g.40gb; it has 1g.6gb, 2g.12gb, 4g.24gb");
  EXPECT_EQ(ask1(pod("b", slices("2g.12gb"))).substr(0, 15), "GPU-n-0/2g.12gb");
  model.set_node(node("l", 1, "L4", 23'034));
  EXPECT_THAT(ask1(pod("c", slices("9g.99gb"))), HasSubstr("; L4 cannot be cut into MIG instances"));
}

TEST_F(SlicesTest, BoardsOfAPoolThatDoesNotSliceStayWhole) {
  model.set_node(node("n", 1));
  model.set_pool({.name = "default", .slices = false});
  EXPECT_EQ(ask1(pod("a", slices("1g.10gb"))),
            "the nodes that match are in pools whose GPUs are not cut into MIG instances");
  model.set_pool({.name = "default", .slices = true});
  schedule(model, policy, kNow);
  EXPECT_TRUE(model.allocation("a"));
}

TEST_F(SlicesTest, AMixedNodeCutsTheBoardThatHasTheProfile) {
  Node n = node("n", 1, "A30", 24'576);
  n.devices.push_back({"GPU-n-h", "H100-80GB", true, 81'559});
  model.set_node(n);
  EXPECT_EQ(ask1(pod("a", slices("4g.40gb"))), "GPU-n-h/4g.40gb@0");
  EXPECT_EQ(ask1(pod("b", slices("4g.24gb"))), "GPU-n-0/4g.24gb@0");
}

TEST_F(SlicesTest, AnUnhealthyBoardIsNotCut) {
  Node n = node("n", 1);
  n.devices[0].healthy = false;
  model.set_node(n);
  EXPECT_EQ(ask1(pod("a", slices("1g.10gb"))), "0 of 7 1g.10gb instances free in pool default, needs 1");
}

TEST_F(SlicesTest, NothingIsCutFromABoardThatHoldsWhatItsModelHasNot) {
  model.set_node(node("n", 1));
  Held odd("GPU-n-0");
  odd.model = "H100-80GB";
  odd.profile = "5g.50gb";
  odd.start = 0;
  model.open({.uid = "old", .tenant = "vision", .node = "n", .devices = {odd}});
  EXPECT_EQ(ask1(pod("a", slices("1g.10gb"))), "0 of 7 1g.10gb instances free in pool default, needs 1");
  EXPECT_EQ(ask1(pod("b", whole(1))), "0 of 1 GPU free in pool default, needs 1");
}

// --- time shares ---

TEST_F(SlicesTest, AShareAskedByMemoryTakesItsPartOfTheBoard) {
  model.set_node(node("small", 1, "A30", 24'576));
  EXPECT_EQ(ask1(pod("a", {.gpus = 1, .share_memory_mib = 12'288})), "GPU-small-0:500");
  EXPECT_EQ(ask1(pod("b", {.gpus = 1, .share_memory_mib = 12'289})),
            "0 of 1 GPU share of 12289 MiB free in pool default, needs 1");
  EXPECT_GE(model.allocation("a")->devices[0].memory_mib, 12'288);
  model.set_node(node("big", 1));
  schedule(model, policy, kNow);
  EXPECT_EQ(model.allocation("b")->devices[0].milli, 151);  // of 81,559 MiB
  EXPECT_GE(model.allocation("b")->devices[0].memory_mib, 12'289);
}

TEST_F(SlicesTest, AShareOfMoreMemoryThanABoardHasFitsNowhere) {
  model.set_node(node("n", 1, "A30", 24'576));
  EXPECT_EQ(ask1(pod("a", {.gpus = 1, .share_memory_mib = 24'577})),
            "needs 1 GPU share of 24577 MiB on one node; the largest node has 0");
  EXPECT_EQ(ask1(pod("b", {.gpus = 1, .share_memory_mib = 24'576})), "GPU-n-0");
}

TEST_F(SlicesTest, ANodeOfBoardsOfDifferentMemoryCountsItsSmallest) {
  Node n = node("n", 1, "A30", 24'576);
  n.devices.push_back({"GPU-n-h", "H100-80GB", true, 81'559});
  model.set_node(n);
  for (const char* id : {"a", "b", "c", "d"}) {
    ASSERT_THAT(ask(pod(id, {.gpus = 1, .share_memory_mib = 12'000})), SizeIs(1)) << id;
    EXPECT_GE(model.allocation(id)->devices[0].memory_mib, 12'000);
  }
}

TEST_F(SlicesTest, OneTenantsShareIsNotJoinedByAnother) {
  model.set_node(node("n", 1));
  EXPECT_EQ(ask1(pod("a", share(300))), "GPU-n-0:300");
  EXPECT_EQ(ask1(pod("b", share(300), "speech")), "0 of 3 GPU shares of 300m free in pool default, needs 1");
  EXPECT_EQ(ask1(pod("c", share(300))), "GPU-n-0:300");
  model.set_pool({.name = "default", .shares_across_tenants = true});
  schedule(model, policy, kNow);
  EXPECT_TRUE(model.allocation("b"));
}

TEST_F(SlicesTest, SharesOfAnInstance) {
  model.set_node(node("n", 1));
  Request third = slices("3g.40gb");
  third.milli = 300;
  EXPECT_EQ(ask1(pod("a", third)), "GPU-n-0/3g.40gb@4:300");
  EXPECT_EQ(model.allocation("a")->devices[0].memory_mib, 12'134);
  EXPECT_EQ(ask1(pod("b", third)), "GPU-n-0/3g.40gb@4:300");
  // Another tenant gets an instance of its own on the same board: MIG keeps them apart.
  EXPECT_EQ(ask1(pod("c", third, "speech")), "GPU-n-0/3g.40gb@0:300");
  EXPECT_EQ(ask1(pod("d", third)), "GPU-n-0/3g.40gb@4:300");
  EXPECT_EQ(ask1(pod("e", third)), "0 of 6 3g.40gb instance shares of 300m free in pool default, needs 1");
  // An instance that is shared is nobody's whole one.
  EXPECT_EQ(ask1(pod("f", slices("3g.40gb"))), "0 of 2 3g.40gb instances free in pool default, needs 1");
  for (const char* id : {"a", "b"}) model.close(id);
  schedule(model, policy, kNow);
  EXPECT_TRUE(model.allocation("e"));
  EXPECT_FALSE(model.allocation("f"));
  for (const char* id : {"d", "e"}) model.close(id);
  schedule(model, policy, kNow);
  EXPECT_TRUE(model.allocation("f"));
}

TEST_F(SlicesTest, ReplicasOfAnInstanceAreAsManyAsThePoolSays) {
  model.set_node(node("n", 1));
  model.set_pool({.name = "default", .replicas = 2});
  Request replica = slices("7g.80gb");
  replica.replica = true;
  EXPECT_EQ(ask1(pod("a", replica)), "GPU-n-0/7g.80gb@0:500");
  EXPECT_EQ(ask1(pod("b", replica)), "GPU-n-0/7g.80gb@0:500");
  EXPECT_EQ(ask1(pod("c", replica)), "0 of 2 7g.80gb instance shares free in pool default, needs 1");
}

TEST_F(SlicesTest, AShareOfAnInstanceByMemory) {
  model.set_node(node("n", 1));
  Request asks = slices("1g.10gb");
  asks.share_memory_mib = 4'992;
  EXPECT_THAT(ask1(pod("a", asks)), HasSubstr(":500"));
  asks.share_memory_mib = 9'985;
  EXPECT_EQ(ask1(pod("b", asks)),
            "needs 1 1g.10gb instance share of 9985 MiB on one node; the largest node has 0");
}

// --- what it counts ---

TEST_F(SlicesTest, InstancesCountByTheirMemoryUnits) {
  model.set_node(node("n", 2));
  model.set_tenant({.id = "vision", .name = "vision", .gpu_limit = 1});
  ask(pod("a", slices("3g.40gb")));
  EXPECT_EQ(model.queues().usage("~vision").gpu_milli, 500);
  ask(pod("b", slices("1g.10gb", 4)));
  EXPECT_EQ(model.queues().usage("~vision").gpu_milli, 1000);
  EXPECT_THAT(ask1(pod("c", slices("1g.10gb"))), HasSubstr("tenant vision"));
  EXPECT_FALSE(model.allocation("c"));
  model.close("b");
  schedule(model, policy, kNow);
  EXPECT_TRUE(model.allocation("c"));
  Request tenth = slices("3g.40gb");
  tenth.replica = true;
  ask(pod("d", tenth));
  EXPECT_EQ(model.queues().usage("~vision").gpu_milli, 500 + 125 + 50);
}

TEST_F(SlicesTest, AReplicaOrAShareByMemoryCountsWhatItTakesAgainstALimit) {
  model.set_tenant({.id = "vision", .name = "vision", .gpu_limit = 1});
  model.set_unit(pod("b", {.gpus = 1, .share_memory_mib = 40'000}));  // before any node is known
  model.set_node(node("n", 2));
  ask(pod("a", {.gpus = 1, .replica = true}));
  EXPECT_TRUE(model.allocation("a"));
  EXPECT_TRUE(model.allocation("b"));
  EXPECT_EQ(model.queues().usage("~vision").gpu_milli, 100 + 491);
}

// --- choice ---

TEST_F(SlicesTest, InstancesGatherSoThatWholeGpusStayFree) {
  for (int i = 0; i < 4; ++i) model.set_node(node("n" + std::to_string(i), 4));
  for (int i = 0; i < 21; ++i) ask(pod("p" + std::to_string(i), slices("1g.10gb")));
  int64_t whole_nodes = 0, free = 0;
  for (int i = 0; i < 4; ++i) {
    free += model.free_gpus("n" + std::to_string(i));
    whole_nodes += model.free_gpus("n" + std::to_string(i)) == 4;
  }
  EXPECT_EQ(free, 13);
  EXPECT_EQ(whole_nodes, 3);
}

TEST_F(SlicesTest, AGangOfInstancesIsAllOrNothing) {
  model.set_node(node("n", 1));
  Unit gang{.id = "gang", .tenant = "vision", .created = kNow};
  for (int i = 0; i < 3; ++i) gang.pods.push_back({"g" + std::to_string(i), slices("3g.40gb")});
  EXPECT_THAT(ask1(gang), HasSubstr("2 of 3 pods of the gang fit: 0 of 2 3g.40gb instances free"));
  EXPECT_THAT(model.allocations(), IsEmpty());
  EXPECT_EQ(model.free_gpus("n"), 1);
}

TEST_F(SlicesTest, AGuaranteeComesBackFromInstancesAndTheirShares) {
  model.set_node(node("n", 1));
  model.set_tenant({.id = "vision", .name = "vision", .gpu_guarantee = 1});
  Request half = slices("3g.40gb");
  half.milli = 500;
  for (const char* id : {"a", "b", "c", "d"}) ASSERT_THAT(ask(pod(id, half, "speech")), SizeIs(1));
  model.set_unit(pod("mine", whole(1)));
  const Placements p = schedule(model, policy, kNow);
  EXPECT_THAT(p.evictions, SizeIs(4));
  for (const Eviction& e : p.evictions) model.close(e.pod);
  schedule(model, policy, kNow);
  EXPECT_TRUE(model.allocation("mine"));
}

TEST_F(SlicesTest, NoMoreIsEvictedForAnInstanceThanItNeeds) {
  model.set_node(node("n", 1));
  model.set_tenant({.id = "vision", .name = "vision", .gpu_guarantee = 1});
  for (int i = 0; i < 7; ++i)
    ASSERT_THAT(ask(pod("s" + std::to_string(i), slices("1g.10gb"), "speech")), SizeIs(1));
  model.set_unit(pod("mine", slices("2g.20gb")));
  const Placements p = schedule(model, policy, kNow);
  EXPECT_THAT(p.evictions, SizeIs(2));
  for (const Eviction& e : p.evictions) model.close(e.pod);
  schedule(model, policy, kNow);
  EXPECT_TRUE(model.allocation("mine"));
}

}  // namespace
}  // namespace ingot::scheduler
