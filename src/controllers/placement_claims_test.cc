#include "controllers/placement_claims_testing.h"

namespace ingot::controllers {
namespace {

INSTANTIATE_TEST_SUITE_P(Reopened, ClaimPlacementTest, testing::Bool());

TEST_P(ClaimPlacementTest, SelectorsChooseTheModel) {
  claim("large",
        {request("gpu", "gpu.nvidia.com", 2,
                 selector("device.capacity['gpu.nvidia.com'].memory.compareTo(quantity('40Gi')) >= 0"))});
  claim("small", {request("gpu", "gpu.nvidia.com", 1,
                          selector("device.attributes['gpu.nvidia.com'].model.startsWith('V100')"))});
  claiming("a", {"large"});
  claiming("b", {"small"});
  settle();
  EXPECT_EQ(node_of("a"), "big");
  EXPECT_EQ(devices("a").size(), 2u);
  EXPECT_EQ(held("large"), "gpu=big/gpu-0 gpu=big/gpu-1");
  EXPECT_EQ(node_of("b"), "old");
  EXPECT_EQ(held("small"), "gpu=old/gpu-0");
  const Json large = get(claim_key("large"));
  const JsonArray& users = api::array_at(large, {"status", "reservedFor"});
  ASSERT_EQ(users.size(), 1u);
  EXPECT_EQ(api::string_at(users[0], {"uid"}), "c1-uid-a");
  EXPECT_TRUE(api::has_finalizer(large, kClaimFinalizer));
  EXPECT_EQ(api::array_at(large, {"status", "allocation", "nodeSelector", "nodeSelectorTerms"}).size(), 1u);
}

TEST_P(ClaimPlacementTest, SeveralRequestsAndClaimsShareANode) {
  claim("one", {request("first", "gpu.nvidia.com"), request("second", "gpu.nvidia.com")});
  claim("two", {request("third", "gpu.nvidia.com", 1,
                        selector("device.attributes['gpu.nvidia.com'].model == 'H100-80GB'"))});
  claiming("a", {"one", "two"}, 1);
  settle();
  EXPECT_EQ(node_of("a"), "big");
  EXPECT_EQ(devices("a").size(), 4u);
  EXPECT_EQ(held("one"), "first=big/gpu-0 second=big/gpu-1");
  EXPECT_EQ(held("two"), "third=big/gpu-2");
  const Json allocation = get(root("allocations.factory.ingot.dev", "c1-uid-a"));
  std::string answers;
  for (const Json& d : api::array_at(allocation, {"spec", "devices"}))
    answers +=
        std::string(api::string_at(d, {"claim"})) + "/" + std::string(api::string_at(d, {"request"})) + " ";
  EXPECT_EQ(answers, "one/first one/second two/third / ");
}

TEST_P(ClaimPlacementTest, MigInstancesByProfileOrTheSmallest) {
  claim("two", {request("mig", "mig.nvidia.com", 2,
                        selector("device.attributes['gpu.nvidia.com'].profile == '3g.40gb'"))});
  claim("any", {request("mig", "mig.nvidia.com")});
  claiming("a", {"two"});
  claiming("b", {"any"});
  settle();
  EXPECT_EQ(node_of("a"), "big");
  EXPECT_THAT(held("two"), testing::MatchesRegex(
                               "mig=big/gpu-[0-3]-mig-3g40gb-9-[04] mig=big/gpu-[0-3]-mig-3g40gb-9-[04]"));
  EXPECT_THAT(held("any"), testing::MatchesRegex("mig=big/gpu-[0-3]-mig-1g10gb-19-[0-6]"));
  const Json allocation = get(root("allocations.factory.ingot.dev", "c1-uid-a"));
  for (const Json& d : api::array_at(allocation, {"spec", "devices"}))
    EXPECT_EQ(api::string_at(d, {"profile"}), "3g.40gb");
}

TEST_P(ClaimPlacementTest, TheFirstChoiceThereIs) {
  claim("any", {json(R"({"name":"gpu","firstAvailable":[
    {"name":"best","deviceClassName":"gpu.nvidia.com","count":1,"selectors":[{"cel":{"expression":
      "device.attributes['gpu.nvidia.com'].model == 'B200-180GB'"}}]},
    {"name":"good","deviceClassName":"gpu.nvidia.com","count":1,"selectors":[{"cel":{"expression":
      "device.attributes['gpu.nvidia.com'].model == 'V100-16GB'"}}]}]})")});
  claiming("a", {"any"});
  settle();
  EXPECT_EQ(held("any"), "gpu/good=old/gpu-0");
}

TEST_P(ClaimPlacementTest, SaysWhyAClaimCannotBe) {
  const auto waits = [&](std::string name, JsonArray requests, Json constraints = {}) {
    claim(name, std::move(requests), std::move(constraints));
    claiming("p-" + name, {name});
    settle();
    return reason("p-" + name);
  };
  claiming("lost", {"nothing"});
  settle();
  EXPECT_EQ(reason("lost"), "resourceclaim \"nothing\" not found");
  EXPECT_EQ(waits("classless", {request("gpu", "mine")}),
            "resourceclaim \"classless\": deviceclass \"mine\" not found");
  EXPECT_EQ(
      waits("absent", {request("gpu", "gpu.nvidia.com", 1,
                               selector("device.attributes['gpu.nvidia.com'].model == 'L4'"))}),
      "resourceclaim \"absent\": no device is what request \"gpu\" selects; there are: H100-80GB (also as "
      "1g.10gb, 1g.10gb+me, 1g.20gb, 2g.20gb, 3g.40gb, 4g.40gb, 7g.80gb), V100-16GB");
  EXPECT_THAT(waits("picky", {request("gpu", "gpu.nvidia.com", 1,
                                      selector("device.attributes['gpu.nvidia.com'].index == 1"))}),
              HasSubstr("(H100-80GB: no such key: index)"));
  EXPECT_THAT(waits("all", {json(R"({"name":"mig","exactly":{"deviceClassName":"mig.nvidia.com",
                                     "allocationMode":"All"}})")}),
              HasSubstr("request \"mig\" asks for all MIG instances of a node, which are made as they are "
                        "asked for: ask for a count"));
  EXPECT_THAT(waits("greedy", {json(R"({"name":"gpu","exactly":{"deviceClassName":"gpu.nvidia.com",
                                     "allocationMode":"All"}})"),
                               request("more", "mig.nvidia.com")}),
              HasSubstr("asks for all GPUs of a node, which leaves none for the others"));
  std::string dear = "['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].all(x, ";
  dear += dear + dear + "true)))";
  JsonArray dears;
  for (int i = 0; i < 32; ++i) dears.push_back(selector(dear.substr(0)).get_array()[0]);
  EXPECT_THAT(waits("dear", {request("gpu", "gpu.nvidia.com", 1, dears),
                             request("more", "gpu.nvidia.com", 1, dears)}),
              HasSubstr("its selectors take more steps than are allowed"));
  EXPECT_THAT(waits("mixed", {request("a", "gpu.nvidia.com", 1,
                                      selector("device.attributes['gpu.nvidia.com'].model == 'V100-16GB'")),
                              request("b", "mig.nvidia.com")}),
              HasSubstr("no model of GPU in common, and a node's are of one"));
  const auto constrained = [&](std::string name, JsonArray requests, std::string_view field,
                               std::string_view attribute) {
    return waits(std::move(name), std::move(requests), JsonArray{JsonObject{{field, attribute}}});
  };
  EXPECT_EQ(
      constrained("rooted", {request("gpu", "gpu.nvidia.com", 2)}, "matchAttribute",
                  "resource.kubernetes.io/pcieRoot"),
      "constraint \"resource.kubernetes.io/pcieRoot\": request \"gpu\" is for whole GPUs, which have no "
      "such attribute that placing could go by");
  EXPECT_THAT(constrained("parents", {request("gpu", "gpu.nvidia.com", 2)}, "matchAttribute",
                          "gpu.nvidia.com/parentUUID"),
              HasSubstr("is for whole GPUs, which have no such attribute"));
  EXPECT_EQ(
      constrained("twins", {request("gpu", "gpu.nvidia.com", 2)}, "matchAttribute", "gpu.nvidia.com/uuid"),
      "constraint \"gpu.nvidia.com/uuid\" can never hold: two GPUs have it different");
  EXPECT_EQ(
      constrained("models", {request("gpu", "gpu.nvidia.com", 2)}, "distinctAttribute",
                  "gpu.nvidia.com/productName"),
      "constraint \"gpu.nvidia.com/productName\" can never hold: it is the same of all devices of a node");
  EXPECT_EQ(constrained("types", {request("a", "gpu.nvidia.com"), request("b", "mig.nvidia.com")},
                        "matchAttribute", "gpu.nvidia.com/type"),
            "constraint \"gpu.nvidia.com/type\" can never hold: they are of several kinds");
}

// What a node is searched for has a bound, for it is searched in a turn.
TEST_P(ClaimPlacementTest, APodsClaimsHaveABound) {
  JsonArray many, rules;
  for (int i = 0; i < 32; ++i) many.push_back(request("r" + std::to_string(i), "mig.nvidia.com"));
  for (int i = 0; i < 17; ++i) rules.push_back(JsonObject{{"matchAttribute", "gpu.nvidia.com/numaNode"}});
  claim("many", many);
  claim("more", {request("gpu", "gpu.nvidia.com")});
  claim("bound", {request("a", "gpu.nvidia.com", 2)}, rules);
  claiming("a", {"many", "more"});
  claiming("b", {"bound"});
  settle();
  EXPECT_EQ(reason("a"), "its claims have more than 32 requests");
  EXPECT_EQ(reason("b"), "its claims have more than 16 constraints on places");
}

TEST_P(ClaimPlacementTest, SeveralKindsForOnePod) {
  claim("both", {request("slice", "mig.nvidia.com", 1,
                         selector("device.attributes['gpu.nvidia.com'].profile == '3g.40gb'")),
                 request("gpus", "gpu.nvidia.com", 2)});
  claim("more", {request("slice", "mig.nvidia.com")});
  claiming("a", {"both", "more"}, 1);
  settle();
  EXPECT_EQ(node_of("a"), "big") << reason("a");
  EXPECT_THAT(held("both"),
              testing::MatchesRegex("slice=big/gpu-3-mig-3g40gb-9-[04] gpus=big/gpu-0 gpus=big/gpu-1"));
  EXPECT_THAT(held("more"), StartsWith("slice=big/gpu-3-mig-1g10gb-19-"));
  std::string answers;
  const Json allocation = get(root("allocations.factory.ingot.dev", "c1-uid-a"));
  for (const Json& d : api::array_at(allocation, {"spec", "devices"}))
    answers += std::string(api::string_at(d, {"claim"})) + "/" + std::string(api::string_at(d, {"request"})) +
               "/" + std::string(api::string_at(d, {"profile"})) + " ";
  EXPECT_EQ(answers, "both/slice/3g.40gb both/gpus/ both/gpus/ more/slice/1g.10gb // ");
}

TEST_P(ClaimPlacementTest, AllGpusOfANode) {
  claim("all", {json(R"({"name":"gpu","exactly":{"deviceClassName":"gpu.nvidia.com","allocationMode":"All",
    "selectors":[{"cel":{"expression":"device.attributes['gpu.nvidia.com'].model == 'H100-80GB'"}}]}})")});
  claiming("first", {}, 1);
  settle();
  ASSERT_EQ(node_of("first"), "big");
  claiming("a", {"all"});
  settle();
  EXPECT_EQ(reason("a"), "3 of 4 GPUs free in pool default, needs 4");
  board("larger", "H100-80GB", "81559Mi", 8);
  settle();
  EXPECT_EQ(node_of("a"), "larger") << "whatever node has all of its own free";
  EXPECT_EQ(devices("a").size(), 8u);
}

TEST_P(ClaimPlacementTest, DevicesThatLieTogetherOrApart) {
  claim("near",
        {request("a", "mig.nvidia.com", 1,
                 selector("device.attributes['gpu.nvidia.com'].profile == '4g.40gb'")),
         request("b", "mig.nvidia.com", 2)},
        JsonArray{JsonObject{{"matchAttribute", "gpu.nvidia.com/parentUUID"}}});
  claim("far", {request("a", "mig.nvidia.com", 3)},
        JsonArray{JsonObject{{"distinctAttribute", "gpu.nvidia.com/parentUUID"}}});
  claim("alike", {request("a", "gpu.nvidia.com", 2)},
        JsonArray{JsonObject{{"matchAttribute", "gpu.nvidia.com/productName"}}});
  claiming("a", {"near"});
  claiming("b", {"far"});
  claiming("c", {"alike"});
  settle();
  const auto boards = [&](std::string_view pod) {
    std::set<std::string> all;
    for (const std::string& uuid : devices(pod)) all.insert(uuid);
    return all.size();
  };
  EXPECT_EQ(boards("a"), 1u) << reason("a");
  EXPECT_EQ(boards("b"), 3u) << reason("b");
  EXPECT_EQ(devices("c").size(), 2u) << reason("c");
}

TEST_P(ClaimPlacementTest, TheFirstChoiceThatIsFree) {
  const auto choosing = [&](std::string_view name) {
    claim(name, {json(R"({"name":"gpu","firstAvailable":[
      {"name":"big","deviceClassName":"gpu.nvidia.com","allocationMode":"ExactCount","count":3,"selectors":[{"cel":{"expression":
        "device.attributes['gpu.nvidia.com'].model == 'H100-80GB'"}}]},
      {"name":"slices","deviceClassName":"mig.nvidia.com","allocationMode":"ExactCount","count":2},
      {"name":"small","deviceClassName":"gpu.nvidia.com","allocationMode":"ExactCount","count":1}]})")});
    claiming(std::string(name), {name});
    settle();
    return held(name);
  };
  EXPECT_EQ(choosing("a"), "gpu/big=big/gpu-0 gpu/big=big/gpu-1 gpu/big=big/gpu-2");
  EXPECT_THAT(choosing("b"),
              testing::MatchesRegex("gpu/slices=big/gpu-3-mig-.* gpu/slices=big/gpu-3-mig-.*"));
  const Json allocation = get(root("allocations.factory.ingot.dev", "c1-uid-b"));
  EXPECT_EQ(api::string_at(api::array_at(allocation, {"spec", "devices"})[0], {"request"}), "gpu/slices");
}

// Who asks what would become of a pod does not stand before those who are there.
TEST_P(ClaimPlacementTest, AnEstimateHoldsNobodyUp) {
  claim("one", {request("gpu", "gpu.nvidia.com")});
  Json imagined = pod_object("z", 0);
  imagined.get_object()["kind"] = "Pod";
  api::set(imagined, {"spec", "resourceClaims"}, json(R"([{"name":"one","resourceClaimName":"one"}])"));
  settle();
  put({ClusterId("c1"), kClaimTemplates, "default", "two"},
      JsonObject{{"spec", JsonObject{{"spec", json(R"({"devices":{"requests":[{"name":"gpu","exactly":{
        "deviceClassName":"gpu.nvidia.com","count":2}}]}})")}}}});
  f.t.loop.run_until_idle();
  std::optional<Estimate> estimate;
  const auto ask = [&] {
    f.input([&](store::Turn& turn) {
      estimate =
          placement->estimate(ClusterId("c1"), imagined, [&](const Key& key) { return turn.get(key); });
    });
  };
  ask();
  ASSERT_TRUE(estimate);
  EXPECT_EQ(estimate->request.gpus, 1);
  EXPECT_TRUE(estimate->forecast.starts);
  api::set(imagined, {"spec", "resourceClaims"}, json(R"([{"name":"x","resourceClaimTemplateName":"two"}])"));
  ask();
  ASSERT_TRUE(estimate) << "its claim is not made yet";
  EXPECT_EQ(estimate->request.gpus, 2);
  EXPECT_TRUE(estimate->forecast.starts);
  claiming("z", {"one"});
  settle();
  EXPECT_NE(node_of("z"), "") << reason("z");
}

TEST_P(ClaimPlacementTest, WhoComesFirstMayGiveUp) {
  claim("one", {request("gpu", "mine")});
  claiming("a", {"one"});
  claiming("b", {"one"});
  settle();
  EXPECT_THAT(reason("b"), StartsWith("resourceclaim \"one\" goes to pod a first"));
  erase(pod_key("a"));
  put({ClusterId("c1"), "deviceclasses.resource.k8s.io", "", "mine"},
      json(
          R"({"metadata":{"name":"mine"},"spec":{"selectors":[{"cel":{"expression":"device.driver != ''"}}]}})"));
  settle();
  EXPECT_NE(node_of("b"), "");
}

TEST_P(ClaimPlacementTest, FollowsTheDevicesThereAre) {
  claim("one",
        {request("gpu", "gpu.nvidia.com", 1, selector("device.attributes['gpu.nvidia.com'].model == 'L4'"))});
  claiming("a", {"one"});
  settle();
  EXPECT_EQ(node_of("a"), "");
  board("new", "L4", "23034Mi", 1);
  settle();
  EXPECT_EQ(node_of("a"), "new");
}

// The whole way: the template, the claim its controller makes, the pod's node, and the end.
TEST_P(ClaimPlacementTest, FromATemplateToTheEnd) {
  const auto registry = api::Registry::builtin();
  auto manager = std::make_unique<Manager>(f.t.env, *f.shard, Facts{.registry = registry.get()});
  put({ClusterId("c1"), kClaimTemplates, "default", "one"},
      JsonObject{
          {"apiVersion", "resource.k8s.io/v1"},
          {"kind", "ResourceClaimTemplate"},
          {"metadata", JsonObject{{"name", "one"}, {"namespace", "default"}}},
          {"spec",
           JsonObject{
               {"spec", JsonObject{{"devices", JsonObject{{"requests", JsonArray{request(
                                                                           "gpu", "gpu.nvidia.com")}}}}}}}}});
  Json pod = pod_object("p", 0);
  api::set(pod, {"spec", "resourceClaims"}, json(R"([{"name":"gpu","resourceClaimTemplateName":"one"}])"));
  put(pod_key("p"), pod);
  f.t.loop.run_until_idle();
  EXPECT_NE(node_of("p"), "");
  EXPECT_EQ(reason("p"), "") << "nothing was said meanwhile";
  const Json bound = get(pod_key("p"));
  const JsonArray& statuses = api::array_at(bound, {"status", "resourceClaimStatuses"});
  ASSERT_EQ(statuses.size(), 1u);
  const std::string name(api::string_at(statuses[0], {"resourceClaimName"}));
  EXPECT_THAT(held(name), StartsWith("gpu="));
  Json ended = bound;
  api::set(ended, {"status", "phase"}, "Succeeded");
  put(pod_key("p"), ended);
  f.t.loop.run_until_idle();
  EXPECT_TRUE(get(claim_key(name)).is_null());
  manager.reset();
}

}  // namespace
}  // namespace ingot::controllers
