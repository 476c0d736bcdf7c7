#include "scheduler/objects.h"

#include <gmock/gmock.h>

namespace ingot::scheduler {
namespace {

api::Json json(std::string_view text) { return *api::parse_json(text); }

TEST(RequestOf, SumsContainersAndTakesTheLargerStart) {
  const Request r = request_of(json(R"({"spec":{
    "containers":[{"resources":{"requests":{"cpu":"500m","memory":"1Gi"},"limits":{"nvidia.com/gpu":"2"}}},
                  {"resources":{"limits":{"cpu":"1"}}}],
    "initContainers":[{"restartPolicy":"Always","resources":{"requests":{"cpu":"200m"}}},
                      {"resources":{"requests":{"memory":"4Gi"}}}]}})"));
  EXPECT_EQ(r.cpu_milli, 1'700);
  EXPECT_EQ(r.memory_bytes, int64_t(4) << 30);
  EXPECT_EQ(r.gpus, 2);
  EXPECT_EQ(r.unknown, "");
}

TEST(RequestOf, ReadsMigInstancesAndTheirShares) {
  const auto of = [](std::string limits, std::string annotations = "") {
    return request_of(json(R"({"metadata":{"annotations":{)" + annotations +
                           R"(}},"spec":{"containers":[{"resources":{"limits":{)" + limits + "}}}]}}"));
  };
  Request r = of(R"("nvidia.com/mig-1g.10gb":"2")");
  EXPECT_EQ(r.profile, "1g.10gb");
  EXPECT_EQ(r.gpus, 2);
  EXPECT_FALSE(r.share());
  EXPECT_EQ(of(R"("nvidia.com/mig-1g.10gb.me":"1")").profile, "1g.10gb+me");
  r = of(R"("nvidia.com/mig-1g.10gb.shared":"3")");
  EXPECT_EQ(r.profile, "1g.10gb");
  EXPECT_TRUE(r.replica);
  EXPECT_EQ(r.gpus, 1);
  r = of(R"("nvidia.com/mig-3g.40gb":"1")", R"("gpu-fraction":"0.25")");
  EXPECT_EQ(r.profile, "3g.40gb");
  EXPECT_EQ(r.milli, 250);
  EXPECT_EQ(of(R"("nvidia.com/mig-3g.40gb":"2")", R"("gpu-fraction":"0.25")").milli, 1000);
  EXPECT_NE(of(R"("nvidia.com/mig-3g.40gb":"1","nvidia.com/gpu":"1")").unknown, "");
  EXPECT_NE(of(R"("nvidia.com/mig-3g.40gb":"1","nvidia.com/mig-1g.10gb":"1")").unknown, "");
  EXPECT_NE(of(R"("nvidia.com/gpu.shared":"1","nvidia.com/gpu":"1")").unknown, "");
}

TEST(RequestOf, CountsSomethingForPodsThatAskForNothing) {
  const Request r = request_of(json(R"({"spec":{"containers":[{"name":"c"}]}})"));
  EXPECT_EQ(r.cpu_milli, 100);
  EXPECT_EQ(r.memory_bytes, int64_t(64) << 20);
}

TEST(RequestOf, HostileSumsDoNotOverflow) {
  const Request r = request_of(json(R"({"spec":{"containers":[
    {"resources":{"requests":{"cpu":"9223372036854775807","memory":"8Ei","nvidia.com/gpu":"9e18"}}},
    {"resources":{"requests":{"cpu":"9223372036854775807","memory":"8Ei","nvidia.com/gpu":"-4"}}}]}})"));
  EXPECT_GT(r.cpu_milli, int64_t(1) << 40);
  EXPECT_GT(r.memory_bytes, int64_t(1) << 40);
  EXPECT_GT(r.gpus, int64_t(1) << 40);
}

TEST(RequestOf, NamesAResourceNobodyOffers) {
  EXPECT_EQ(request_of(json(R"({"spec":{"containers":[{"resources":{"limits":
    {"rdma/hca":"1","ephemeral-storage":"1Gi","example.com/x":"0"}}}]}})"))
                .unknown,
            "rdma/hca");
}

TEST(RequestOf, ReadsWhereItMayRun) {
  const Constraints c =
      request_of(json(R"({"metadata":{"annotations":{"factory.ingot.dev/proposed-node":"n3"}},
    "spec":{"containers":[],"nodeSelector":{"zone":"a"},
    "tolerations":[{"operator":"Exists"},{"key":"k","value":"v","effect":"NoSchedule"}],
    "affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
      {"matchExpressions":[{"key":"count","operator":"Gt","values":["4"]},{"key":"old","operator":"Unheard"}]},
      {"matchFields":[{"key":"metadata.name","operator":"In","values":["n3"]}]}]}}}}})"))
          .where;
  EXPECT_EQ(c.node, "n3");
  EXPECT_TRUE(matches_selector(c, {{"zone", "a"}, {"x", "y"}}));
  EXPECT_FALSE(matches_selector(c, {{"zone", "b"}}));
  EXPECT_TRUE(matches_affinity(c, "n3", {}));
  EXPECT_FALSE(matches_affinity(c, "n4", {{"count", "8"}}));  // an unknown operator never matches
  EXPECT_EQ(blocking_taint(c, {{"any", "thing", Effect::NoExecute}}), nullptr);
}

TEST(Constraints, TellTheModelsTheyLeave) {
  Model model;
  const ModelSet t4 = ModelSet(1) << model.model_id("T4"), a100 = ModelSet(1) << model.model_id("A100-80GB");
  const auto product = [](std::vector<std::string> values, Requirement::Op op = Requirement::Op::In) {
    return Term{.labels = {{.key = std::string(kGpuProduct), .op = op, .values = std::move(values)}}};
  };
  const std::string kT4 = "Tesla-T4", kA100 = "NVIDIA-A100-SXM4-80GB";
  Constraints where;
  EXPECT_EQ(models_of(where, model), kAnyModel);
  where.selector = {{std::string(kGpuProduct), kT4}};
  EXPECT_EQ(models_of(where, model), t4);
  where.affinity = {{product({kT4, kA100})}};
  EXPECT_EQ(models_of(where, model), t4) << "both must hold";
  where.selector.clear();
  EXPECT_EQ(models_of(where, model), t4 | a100);
  where.affinity = {{product({kT4}), product({kA100})}};
  EXPECT_EQ(models_of(where, model), t4 | a100) << "one of the terms must hold";
  where.affinity = {{product({kT4}), {.labels = {{.key = "zone", .op = Requirement::Op::Exists}}}}};
  EXPECT_EQ(models_of(where, model), kAnyModel) << "a term that does not say allows any";
  where.affinity = {{product({kT4, "a-board-of-next-year"})}};
  EXPECT_EQ(models_of(where, model), kAnyModel);
  where.affinity = {{product({kT4}, Requirement::Op::NotIn)}};
  EXPECT_EQ(models_of(where, model), kAnyModel);
}

TEST(Constraints, TellTheModelsByName) {
  const auto models = [](std::string_view spec) {
    return gpu_models_of(*api::parse_json(R"({"spec":)" + std::string(spec) + "}"));
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(models(R"({"nodeSelector":{"zone":"a"}})"), Names{});
  EXPECT_EQ(models(R"({"nodeSelector":{"nvidia.com/gpu.product":"Tesla-T4"}})"), Names{"T4"});
  EXPECT_EQ(models(R"({"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":
    {"nodeSelectorTerms":[{"matchExpressions":[{"key":"nvidia.com/gpu.product","operator":"In",
     "values":["Tesla-T4","NVIDIA-A100-SXM4-80GB"]}]}]}}}})"),
            (Names{"A100-80GB", "T4"}));
}

TEST(Constraints, OperatorsOfNodeAffinity) {
  const auto matches = [](Requirement r, Labels labels) {
    Constraints c;
    c.affinity = {{{.labels = {std::move(r)}}}};
    return matches_affinity(c, "n", labels);
  };
  using Op = Requirement::Op;
  EXPECT_TRUE(matches({"k", Op::In, {"a", "b"}}, {{"k", "b"}}));
  EXPECT_FALSE(matches({"k", Op::In, {"a"}}, {}));
  EXPECT_TRUE(matches({"k", Op::NotIn, {"a"}}, {}));
  EXPECT_FALSE(matches({"k", Op::NotIn, {"a"}}, {{"k", "a"}}));
  EXPECT_TRUE(matches({"k", Op::Exists, {}}, {{"k", ""}}));
  EXPECT_TRUE(matches({"k", Op::DoesNotExist, {}}, {}));
  EXPECT_TRUE(matches({"k", Op::Lt, {"4"}}, {{"k", "3"}}));
  EXPECT_FALSE(matches({"k", Op::Gt, {"4"}}, {{"k", "4"}}));
  EXPECT_FALSE(matches({"k", Op::Gt, {"4"}}, {{"k", "many"}}));
}

TEST(Constraints, TermsWithoutRequirementsMatchNothing) {
  Constraints c;
  c.affinity.emplace();
  EXPECT_FALSE(matches_affinity(c, "n", {}));
  c.affinity->emplace_back();
  EXPECT_FALSE(matches_affinity(c, "n", {}));
}

TEST(Constraints, TaintsNeedATolerationOfTheirEffect) {
  Constraints c;
  const std::vector<Taint> taints = {{"k", "v", Effect::NoExecute}};
  EXPECT_NE(blocking_taint(c, taints), nullptr);
  c.tolerations = {{.key = "k", .value = "v", .effect = Effect::NoSchedule}};
  EXPECT_NE(blocking_taint(c, taints), nullptr);
  c.tolerations = {{.key = "k", .value = "other"}};
  EXPECT_NE(blocking_taint(c, taints), nullptr);
  c.tolerations = {{.key = "k", .value = "v"}};
  EXPECT_EQ(blocking_taint(c, taints), nullptr);
}

TEST(Constraints, DifferentConstraintsHaveDifferentTexts) {
  Constraints a, b;
  a.selector = {{"k", "a1:b"}};
  b.selector = {{"k", "a"}, {"b", ""}};
  EXPECT_NE(a.text(), b.text());
}

TEST(NodeFrom, ReadsNodeAndSlice) {
  const api::Json slice = json(R"({"spec":{"devices":[
    {"name":"gpu-0","attributes":{"uuid":{"string":"GPU-0"},"model":{"string":"H100-80GB"},"healthy":{"bool":true}}},
    {"name":"gpu-1","attributes":{"uuid":{"string":"GPU-1"},"model":{"string":"H100-80GB"},"healthy":{"bool":false}}},
    {"name":"broken"}]}})");
  const Node n = node_from(json(R"({"metadata":{"name":"n1","labels":{"factory.ingot.dev/pool":"train"}},
    "spec":{"unschedulable":true,"taints":[{"key":"k","effect":"NoExecute"}]},
    "status":{"allocatable":{"cpu":"3500m","memory":"16Gi","pods":110},
              "conditions":[{"type":"Ready","status":"True"}]}})"),
                           &slice);
  EXPECT_EQ(n.pool, "train");
  EXPECT_EQ(n.cpu_milli, 3'500);
  EXPECT_EQ(n.memory_bytes, int64_t(16) << 30);
  EXPECT_EQ(n.pods, 110);
  EXPECT_TRUE(n.ready && n.cordoned);
  ASSERT_EQ(n.devices.size(), 2u);
  EXPECT_FALSE(n.devices[1].healthy);
  EXPECT_EQ(n.taints.size(), 1u);
  EXPECT_FALSE(node_from(json(R"({"metadata":{"name":"n1"}})"), nullptr).ready);
}

TEST(TenantFrom, LimitsAreOptional) {
  EXPECT_EQ(tenant_from(json(R"({"metadata":{"name":"v"},"spec":{"gpus":{"limit":null}}})")).gpu_limit,
            std::nullopt);
  const Tenant t =
      tenant_from(json(R"({"metadata":{"name":"v"},"spec":{"gpus":{"guarantee":2,"limit":8},"weight":3}})"));
  EXPECT_EQ(t.gpu_guarantee, 2);
  EXPECT_EQ(t.gpu_limit, 8);
  EXPECT_EQ(t.weight, 3);
}

TEST(StateOf, ForeignSchedulersProposeFirst) {
  EXPECT_EQ(state_of(json(R"({"spec":{}})")), PodState::Pending);
  EXPECT_EQ(state_of(json(R"({"spec":{"nodeName":"n"}})")), PodState::Placed);
  EXPECT_EQ(state_of(json(R"({"spec":{"nodeName":"n"},"status":{"phase":"Failed"}})")), PodState::Finished);
  EXPECT_EQ(state_of(json(R"({"metadata":{"deletionTimestamp":"x"},"spec":{}})")), PodState::Finished);
  EXPECT_EQ(state_of(json(R"({"spec":{"schedulingGates":[{"name":"g"}]}})")), PodState::Waiting);
  EXPECT_EQ(state_of(json(R"({"spec":{"schedulerName":"mine"}})")), PodState::Waiting);
  EXPECT_EQ(state_of(json(R"({"metadata":{"annotations":{"factory.ingot.dev/proposed-node":"n"}},
                              "spec":{"schedulerName":"mine"}})")),
            PodState::Pending);
}

TEST(GangOf, HasANameAndPerhapsASize) {
  const auto gang = gang_of(json(R"({"metadata":{"labels":{"scheduling.x-k8s.io/pod-group":"train"},
                                     "annotations":{"factory.ingot.dev/gang-size":"4"}}})"));
  ASSERT_TRUE(gang);
  EXPECT_EQ(gang->name, "train");
  EXPECT_EQ(gang->size, 4);
  EXPECT_EQ(gang->least, 4);
  EXPECT_EQ(gang_of(json(R"({"metadata":{"labels":{"scheduling.x-k8s.io/pod-group":"train"}}})"))->size, 0);
  EXPECT_FALSE(gang_of(json(R"({"metadata":{}})")));
}

TEST(GangOf, TellsWhatCannotBe) {
  const auto fault = [](std::string annotations, bool labelled = true) {
    const std::string label = labelled ? R"("labels":{"scheduling.x-k8s.io/pod-group":"train"},)" : "";
    const auto gang = gang_of(json(R"({"metadata":{)" + label + R"("annotations":{)" + annotations + "}}}"));
    return gang ? gang->fault : "no gang";
  };
  const std::string size = R"("factory.ingot.dev/gang-size":)", least = R"("factory.ingot.dev/gang-min":)";
  EXPECT_EQ(fault(size + R"("4",)" + least + R"("2")"), "");
  EXPECT_EQ(fault(size + R"("4",)" + least + R"("5")"),
            "annotation factory.ingot.dev/gang-min asks for 5 pods at least, and its gang is of 4");
  EXPECT_EQ(fault(size + R"("many")"),
            "annotation factory.ingot.dev/gang-size must be a number of pods between 1 and 1024");
  for (const char* n : {R"("0")", R"("-1")", R"("1025")"}) EXPECT_NE(fault(size + n), "");
  EXPECT_EQ(fault(size + R"("4")", false),
            "annotation factory.ingot.dev/gang-size says how many pods its gang is of, and no label "
            "scheduling.x-k8s.io/pod-group says which");
}

}  // namespace
}  // namespace ingot::scheduler
