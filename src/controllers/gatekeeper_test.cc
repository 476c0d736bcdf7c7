// Gates in placement: who they hold, why, and what lets him go.
#include "controllers/gatekeeper.h"

#include <fmt/format.h>

#include "controllers/placement_scopes.h"
#include "controllers/placement_testing.h"

namespace ingot::controllers {
namespace {
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

const std::string kDigest = "sha256:" + std::string(64, 'a');

class GatekeeperTest : public PlacementTest {
 protected:
  GatekeeperTest() {
    tenant("vision", "c1");
    tenant("speech", "c2");
    node("n1", 8);
  }
  void root_object(std::string_view resource, std::string_view name, std::string_view spec) {
    Json object = JsonObject{{"metadata", JsonObject{{"name", name}}}};
    api::set(object, {"spec"}, *api::parse_json(spec));
    put(root(resource, name), std::move(object));
  }
  void gate(std::string_view name, std::string_view rule, std::string_view match = "{}",
            std::string_view enforcement = "Enforce") {
    root_object(policy::kGates, name,
                fmt::format(R"({{"match":{},"enforcement":"{}","rules":[{{"name":"r",{}}}]}})", match,
                            enforcement, rule));
  }
  void exception(std::string_view name, std::string_view of, std::string_view target, Duration lasts) {
    const WallTime until = f.t.clock.wall() + std::chrono::duration_cast<WallTime::duration>(lasts);
    root_object(policy::kGateExceptions, name,
                fmt::format(R"({{"gate":"{}","rule":"r","target":{},"expires":"{}","approver":"olga"}})", of,
                            target, to_rfc3339(until)));
  }
  void image(std::string_view reference, std::string_view digest) {
    root_object(kImages, "shared.1", fmt::format(R"({{"reference":"{}","digest":"{}"}})", reference, digest));
  }
  void with_image(std::string name, std::string image, std::string cluster = "c1", JsonObject metadata = {},
                  Json volumes = JsonArray()) {
    Json object = pod_object(name, 1, std::move(metadata), cluster);
    object.at("spec").at("containers").at(0).as_object()["image"] = image;
    api::set(object, {"spec", "volumes"}, std::move(volumes));
    put(pod_key(name, cluster), std::move(object));
  }
  // What was said of the pod, in order.
  std::vector<std::string> verdicts(std::string_view pod) {
    std::vector<std::string> out;
    for (const store::StoredRow& row : f.rows({.stream = "verdicts"})) {
      const Json data = *api::parse_json(row.row.data);
      if (api::string_at(data, {"name"}) != pod) continue;
      EXPECT_EQ(row.row.cluster, "c1");
      EXPECT_EQ(api::string_at(data, {"statement", "predicate", "verificationResult"}),
                api::string_at(data, {"result"}));
      out.emplace_back(api::string_at(data, {"result"}));
    }
    return out;
  }
};

constexpr std::string_view kPinned = R"("security":{"imagesByDigest":true})";
constexpr std::string_view kScanned = R"("security":{"scan":{"maxAge":"24h"}})";

TEST_P(GatekeeperTest, HoldsAPodWithReasonAndWayOutUntilTheGateGoes) {
  gate("pinned", kPinned, R"({"tenants":["vision"]})");
  settle();
  with_image("a", "train:1");
  with_image("b", "train@" + kDigest);
  with_image("c", "train:1", "c2");
  settle();
  EXPECT_EQ(
      reason("a"),
      "gate pinned, rule r: image \"train:1\" of container c is named by a tag, which may be another image "
      "tomorrow; name it by its digest, as docker.io/library/train@sha256:DIGEST, or ask an operator for an "
      "exception");
  EXPECT_EQ(node_of("b"), "n1");
  EXPECT_EQ(node_of("c", "c2"), "n1") << "another tenant's gate";
  EXPECT_THAT(verdicts("a"), ElementsAre("FAILED"));
  EXPECT_THAT(verdicts("b"), ElementsAre("PASSED"));
  EXPECT_THAT(verdicts("c"), IsEmpty());
  erase(root(policy::kGates, "pinned"));
  settle();
  EXPECT_EQ(node_of("a"), "n1");
  EXPECT_THAT(verdicts("a"), ElementsAre("FAILED"));
}

TEST_P(GatekeeperTest, AGateThatComesLaterHoldsWhoStillWaits) {
  erase(root("nodes", "n1"));
  settle();
  with_image("a", "train:1");
  settle();
  EXPECT_THAT(reason("a"), Not(HasSubstr("gate")));
  gate("pinned", kPinned);
  f.t.loop.advance(11s);
  settle();
  EXPECT_THAT(reason("a"), StartsWith("gate pinned, rule r: "));
  node("n2", 8);
  settle();
  EXPECT_EQ(node_of("a"), "");
}

TEST_P(GatekeeperTest, AnExceptionLetsItsTargetGoUntilItExpires) {
  gate("pinned", kPinned);
  settle();
  with_image("a", "train:1");
  with_image("b", "train:1");
  settle();
  EXPECT_EQ(node_of("a"), "");
  exception("e", "pinned", R"({"tenant":"vision","namespace":"default","pod":"a*"})", 1h);
  settle();
  EXPECT_EQ(node_of("a"), "n1");
  EXPECT_EQ(node_of("b"), "");
  EXPECT_THAT(verdicts("a"), ElementsAre("FAILED", "PASSED"));
  f.t.loop.advance(2h);
  with_image("a2", "train:1");
  settle();
  EXPECT_THAT(reason("a2"), StartsWith("gate pinned"));
}

TEST_P(GatekeeperTest, WhatWaitsIsJudgedAgainWhenAnExceptionExpires) {
  erase(root("nodes", "n1"));
  gate("pinned", kPinned);
  exception("e", "pinned", R"({"tenant":"vision"})", 1min);
  with_image("a", "train:1");
  settle();
  EXPECT_THAT(reason("a"), Not(HasSubstr("gate")));
  f.t.loop.advance(2min);
  settle();
  EXPECT_THAT(reason("a"), StartsWith("gate pinned")) << "nothing but time has changed";
}

TEST_P(GatekeeperTest, AScanLetsAPodGoAndIsTooOldOneDay) {
  image("train:1", kDigest);
  gate("scanned", kScanned);
  settle();
  with_image("a", "train:1");
  settle();
  EXPECT_THAT(reason("a"), HasSubstr("has no scan report"));
  root_object(policy::kImageScans, "s",
              fmt::format(R"({{"digest":"{}","scannedAt":"{}","format":"trivy","findings":{{"low":1}}}})",
                          kDigest, to_rfc3339(f.t.clock.wall())));
  settle();
  EXPECT_EQ(node_of("a"), "n1");
  f.t.loop.advance(25h);
  with_image("b", "train:1");
  settle();
  EXPECT_THAT(reason("b"), HasSubstr("older than"));
}

TEST_P(GatekeeperTest, AGateThatWarnsLetsThroughAndTells) {
  gate("pinned", kPinned, "{}", "Warn");
  settle();
  with_image("a", "train:1");
  settle();
  EXPECT_EQ(node_of("a"), "n1");
  EXPECT_THAT(verdicts("a"), ElementsAre("PASSED"));
  std::string told;
  for (const Json& event : events())
    if (api::string_at(event, {"reason"}) == "GateWarning") told = api::string_at(event, {"message"});
  EXPECT_THAT(told, StartsWith("gate pinned, rule r: image \"train:1\""));
}

TEST_P(GatekeeperTest, DataGoWhereTheirRegionIs) {
  Json vision = get(root(kTenants, "vision"));
  api::set(vision, {"spec", "clearance"}, "confidential");
  put(root(kTenants, "vision"), vision);
  gate("data", R"("privacy":{"regions":["eu"]})");
  const auto dataset = [&](std::string_view classification) {
    put(Key(ClusterId("c1"), kDatasets, "default", "faces"),
        JsonObject{{"spec", JsonObject{{"classification", classification}, {"region", "eu"}}}});
  };
  dataset("restricted");
  settle();
  const Json volumes = *api::parse_json(
      R"([{"csi":{"driver":"datasets.ingot.dev","volumeAttributes":{"dataset":"faces","version":"1"}}}])");
  with_image("a", "train:1", "c1", {}, volumes);
  settle();
  EXPECT_THAT(
      reason("a"),
      HasSubstr("data set \"faces\" is restricted, and tenant vision may use data up to confidential"));
  dataset("confidential");
  f.t.loop.advance(11s);
  settle();
  EXPECT_EQ(node_of("a"), "") << "no node is in the region: " << reason("a");
  EXPECT_THAT(reason("a"), Not(HasSubstr("gate")));
  Json n1 = get(root("nodes", "n1"));
  api::set(n1, {"metadata", "labels", "topology.kubernetes.io/region"}, "eu");
  put(root("nodes", "n1"), n1);
  settle();
  EXPECT_EQ(node_of("a"), "n1");
}

TEST_P(GatekeeperTest, APipelineIsWhatTheFactoryKnowsOfTheWorkflow) {
  gate("nightly", kPinned, R"({"pipelines":["nightly"]})");
  const auto workflow = [&](std::string_view name, Json spec) {
    put(Key(ClusterId("c1"), "workflows.argoproj.io", "default", name),
        JsonObject{{"metadata", JsonObject{{"name", name}, {"uid", fmt::format("uid-{}", name)}}},
                   {"spec", spec}});
  };
  const auto from = [&](std::string_view name) {
    return JsonObject{{"workflowTemplateRef", JsonObject{{"name", name}}}};
  };
  const auto owned = [&](std::string_view name, std::string_view uid) {
    return JsonObject{
        {"ownerReferences",
         JsonArray{JsonObject{{"kind", "Workflow"}, {"name", name}, {"uid", uid}, {"controller", true}}}},
        {"annotations", JsonObject{{"factory.ingot.dev/run-node", fmt::format("{}/node", uid)}}}};
  };
  workflow("w", from("weekly"));
  workflow("n", from("nightly"));
  workflow("inline", JsonObject());
  settle();
  with_image("a", "train:1", "c1", owned("w", "uid-w"));
  with_image("b", "train:1", "c1", owned("n", "uid-n"));
  with_image("c", "train:1", "c1", owned("w", "uid-forged"));
  with_image("d", "train:1", "c1", owned("inline", "uid-inline"));
  JsonObject forged = owned("w", "uid-w");  // an owner that anybody may write
  forged.erase("annotations");
  with_image("e", "train:1", "c1", forged);
  settle();
  EXPECT_EQ(node_of("a"), "n1") << "known to be of another";
  for (const std::string_view held : {"b", "c", "d", "e"})
    EXPECT_THAT(reason(held), StartsWith("gate nightly")) << held;
}

TEST_P(GatekeeperTest, ARunIsJudgedAsAWhole) {
  gate("pinned", kPinned, R"({"pipelines":["nightly"]})");
  settle();
  const Key key(ClusterId("c1"), "workflows.argoproj.io", "default", "w");
  const Json workflow = *api::parse_json(
      R"({"metadata":{"name":"w","uid":"uid-w"},"spec":{"workflowTemplateRef":{"name":"nightly"}}})");
  const auto judged = [&](std::string_view spec) {
    std::optional<RunJudged> said;
    EXPECT_TRUE(f.input([&](store::Turn& turn) {
      said = placement->judge_run(turn, {key, workflow, *api::parse_json(spec), JsonObject()});
    }));
    EXPECT_TRUE(said && said->concerned);
    return said ? said->held : "nobody knows";
  };
  EXPECT_EQ(
      judged(fmt::format(R"({{"templates":[{{"name":"a","container":{{"image":"train@{}"}}}}]}})", kDigest)),
      "");
  EXPECT_THAT(judged(R"({"templates":[{"name":"a","container":{"image":"train:1"}}]})"),
              StartsWith("gate pinned, rule r: image \"train:1\" of template a is named by a tag"));
  exception("e", "pinned", R"({"tenant":"vision","workflow":"w*"})", 1h);
  settle();
  EXPECT_EQ(judged(R"({"templates":[{"name":"a","container":{"image":"train:1"}}]})"), "");
}

TEST_P(GatekeeperTest, OfAGangAllAreHeld) {
  gate("pinned", kPinned);
  settle();
  const JsonObject two = gang(2);
  with_image("a", "train@" + kDigest, "c1", two);
  with_image("b", "train:1", "c1", two);
  settle();
  EXPECT_EQ(node_of("a") + node_of("b"), "");
  f.t.loop.advance(11s);  // how often a reason may change
  settle();
  EXPECT_THAT(reason("a"), HasSubstr("image \"train:1\""));
  erase(root(policy::kGates, "pinned"));
  settle();
  EXPECT_EQ(node_of("a"), "n1");
  EXPECT_EQ(node_of("b"), "n1");
}

TEST(Gatekeeper, ARunCostsAtLeastWhatItsTemplatesCostOnce) {
  env::TestEnv t;
  scheduler::Model model;
  const QueueBook book(model);
  Gatekeeper keeper(t.env, book);
  const Key gate(kRootCluster, policy::kGates, "", "cheap");
  keeper.load(gate,
              std::make_shared<const api::Object>(api::Object{
                  gate, Revision{1}, R"({"spec":{"rules":[{"name":"r","budget":{"maxCost":"5.00"}}]}})"}));
  keeper.set_cost([](const scheduler::Unit& unit) {
    return std::optional(EstimatedCost{unit.pods.front().request.gpus * 2'000'000, "USD"});
  });
  const Key key(ClusterId("c1"), "workflows.argoproj.io", "default", "w");
  const Json workflow = *api::parse_json(R"({"metadata":{"name":"w","uid":"u"}})");
  const auto held = [&](std::string_view first, std::string_view second) {
    const Json spec = *api::parse_json(fmt::format(
        R"({{"templates":[{{"name":"a","container":{{"image":"i","resources":{{"limits":{{"nvidia.com/gpu":{}}}}}}}}},
            {{"name":"b","script":{{"image":"i","resources":{{"limits":{{"nvidia.com/gpu":{}}}}}}}}}]}})",
        first, second));
    return keeper
        .judge_run(
            {key, workflow, spec, JsonObject()}, "vision", [](const Key&) { return nullptr; },
            [](const Json& pod) {
              scheduler::Unit unit;
              unit.pods.push_back({"", scheduler::request_of(pod)});
              return unit;
            })
        .held;
  };
  EXPECT_EQ(held("1", "1"), "");
  EXPECT_EQ(held("1", R"("{{inputs.parameters.gpus}}")"), "")
      << "what a step fills in is judged with its pod";
  EXPECT_THAT(held("1", "2"),
              StartsWith("gate cheap, rule r: it is estimated to cost at least 6.00 USD, and one piece "
                         "of work may cost 5.00; "));
}

INSTANTIATE_TEST_SUITE_P(Runs, GatekeeperTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "ReopenedBetweenSteps" : "Straight"; });

}  // namespace
}  // namespace ingot::controllers
