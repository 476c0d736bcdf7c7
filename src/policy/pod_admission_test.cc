#include "policy/pod_admission.h"

#include <gtest/gtest.h>

namespace ingot::policy {
namespace {

using api::Json;

Json json(std::string_view text) {
  auto value = api::parse_json(text);
  EXPECT_TRUE(value.has_value()) << text;
  return value ? *value : Json();
}

struct World {
  std::optional<Json> account = json(R"({"metadata":{"name":"default"}})");
  std::optional<Json> priority, default_priority;
  Json ns = json(R"({"metadata":{"name":"default"}})");
  bool of_the_factory = false;

  Result<std::vector<std::string>> admit(Json& pod) const {
    const auto found = [](const std::optional<Json>& o) {
      return o ? std::make_shared<const Json>(*o) : nullptr;
    };
    return admit_pod(pod, {.service_account = [&](std::string_view) { return found(account); },
                           .priority_class = [&](std::string_view) { return found(priority); },
                           .default_priority_class = [&] { return found(default_priority); },
                           .newest_version = [](std::string_view dataset) -> std::optional<int64_t> {
                             return dataset == "digits" ? std::optional(12) : std::nullopt;
                           },
                           .namespace_object = ns,
                           .of_the_factory = of_the_factory,
                           .random = 7});
  }
};

Json plain_pod(std::string_view spec = "") {
  return json(
      R"({"metadata":{"name":"p","namespace":"default"},"spec":{"containers":[{"name":"c","image":"i"}])" +
      std::string(spec) + "}}");
}

std::string refusal(const World& world, Json pod) {
  const auto result = world.admit(pod);
  return result ? "admitted" : result.error().message;
}

TEST(PodAdmission, GivesDefaultServiceAccountAndItsToken) {
  Json pod = plain_pod();
  ASSERT_TRUE(World().admit(pod).has_value());
  EXPECT_EQ(api::string_at(pod, {"spec", "serviceAccountName"}), "default");
  const auto& volumes = api::array_at(pod, {"spec", "volumes"});
  ASSERT_EQ(volumes.size(), 1u);
  const std::string name(api::string_at(volumes[0], {"name"}));
  EXPECT_TRUE(name.starts_with("kube-api-access-")) << name;
  const auto& sources = api::array_at(volumes[0], {"projected", "sources"});
  ASSERT_EQ(sources.size(), 3u);
  EXPECT_EQ(api::int_at(sources[0], {"serviceAccountToken", "expirationSeconds"}), 3607);
  EXPECT_EQ(api::string_at(sources[1], {"configMap", "name"}), "kube-root-ca.crt");
  const auto& mounts = api::array_at(api::array_at(pod, {"spec", "containers"})[0], {"volumeMounts"});
  ASSERT_EQ(mounts.size(), 1u);
  EXPECT_EQ(api::string_at(mounts[0], {"name"}), name);
  EXPECT_EQ(api::string_at(mounts[0], {"mountPath"}), "/var/run/secrets/kubernetes.io/serviceaccount");
}

TEST(PodAdmission, KeepsAMountOfItsOwnAndHonoursAutomountFalse) {
  Json own = json(
      R"({"metadata":{"name":"p"},"spec":{"volumes":[{"name":"t","emptyDir":{}}],"containers":[{"name":"c",)"
      R"("volumeMounts":[{"name":"t","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}]}]}})");
  ASSERT_TRUE(World().admit(own).has_value());
  EXPECT_EQ(api::array_at(own, {"spec", "volumes"}).size(), 1u);

  World no_token;
  no_token.account = json(R"({"automountServiceAccountToken":false})");
  Json without = plain_pod();
  ASSERT_TRUE(no_token.admit(without).has_value());
  EXPECT_TRUE(api::array_at(without, {"spec", "volumes"}).empty());
  Json insists = plain_pod(R"(,"automountServiceAccountToken":true)");
  ASSERT_TRUE(no_token.admit(insists).has_value());
  EXPECT_EQ(api::array_at(insists, {"spec", "volumes"}).size(), 1u);
}

TEST(PodAdmission, RefusesAnUnknownServiceAccount) {
  World world;
  world.account.reset();
  EXPECT_EQ(refusal(world, plain_pod(R"(,"serviceAccountName":"robot")")),
            "pods \"p\" is forbidden: error looking up service account default/robot: serviceaccount "
            "\"robot\" not found");
}

TEST(PodAdmission, CopiesImagePullSecrets) {
  World world;
  world.account = json(R"({"imagePullSecrets":[{"name":"s"}]})");
  Json pod = plain_pod();
  ASSERT_TRUE(world.admit(pod).has_value());
  EXPECT_EQ(api::array_at(pod, {"spec", "imagePullSecrets"}).size(), 1u);
}

TEST(PodAdmission, ResolvesPriority) {
  World world;
  Json plain = plain_pod();
  ASSERT_TRUE(world.admit(plain).has_value());
  EXPECT_EQ(api::int_at(plain, {"spec", "priority"}), 0);
  EXPECT_EQ(api::string_at(plain, {"spec", "preemptionPolicy"}), "PreemptLowerPriority");

  world.default_priority = json(R"({"metadata":{"name":"usual"},"value":5,"preemptionPolicy":"Never"})");
  Json with_default = plain_pod();
  ASSERT_TRUE(world.admit(with_default).has_value());
  EXPECT_EQ(api::int_at(with_default, {"spec", "priority"}), 5);
  EXPECT_EQ(api::string_at(with_default, {"spec", "priorityClassName"}), "usual");
  EXPECT_EQ(api::string_at(with_default, {"spec", "preemptionPolicy"}), "Never");

  Json critical = plain_pod(R"(,"priorityClassName":"system-cluster-critical")");
  EXPECT_EQ(refusal(world, critical),
            "pods \"p\" is forbidden: priority class system-cluster-critical is reserved for the factory's "
            "own pods");
  world.of_the_factory = true;
  ASSERT_TRUE(world.admit(critical).has_value());
  EXPECT_EQ(api::int_at(critical, {"spec", "priority"}), 2'000'000'000);

  EXPECT_EQ(refusal(world, plain_pod(R"(,"priorityClassName":"nope")")),
            "pods \"p\" is forbidden: no PriorityClass with name nope was found");
  EXPECT_EQ(
      refusal(World(), plain_pod(R"(,"priority":9)")),
      "pods \"p\" is forbidden: the integer value of priority (9) must not be provided in pod spec; priority "
      "admission controller computed 0 from the given PriorityClass name");
}

TEST(PodAdmission, TurnsNodeNameIntoAProposal) {
  Json pod = plain_pod(R"(,"nodeName":"n1")");
  api::set(pod, {"metadata", "annotations", kClusterAnnotation}, "other");
  ASSERT_TRUE(World().admit(pod).has_value());
  EXPECT_EQ(api::find(pod, {"spec", "nodeName"}), nullptr);
  EXPECT_EQ(api::string_at(pod, {"metadata", "annotations", kProposedNodeAnnotation}), "n1");
  EXPECT_EQ(api::find(pod, {"metadata", "annotations", kClusterAnnotation}), nullptr);
}

TEST(PodAdmission, DropsAStatusTheClientClaims) {
  Json pod = plain_pod();
  api::set(pod, {"status", "phase"}, "Succeeded");
  ASSERT_TRUE(World().admit(pod).has_value());
  EXPECT_EQ(api::to_text(pod.at("status")), R"({"phase":"Pending","qosClass":"BestEffort"})");
}

TEST(PodAdmission, AddsNodeTolerationsOnce) {
  Json pod = plain_pod();
  ASSERT_TRUE(World().admit(pod).has_value());
  EXPECT_EQ(api::array_at(pod, {"spec", "tolerations"}).size(), 2u);
  Json all = plain_pod(R"(,"tolerations":[{"operator":"Exists"}])");
  ASSERT_TRUE(World().admit(all).has_value());
  EXPECT_EQ(api::array_at(all, {"spec", "tolerations"}).size(), 1u);
}

TEST(PodAdmission, NoLabelLowersTheFloor) {
  World world;
  world.ns = json(R"({"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}})");
  EXPECT_EQ(
      refusal(world, plain_pod(R"(,"hostPID":true)")),
      "pods \"p\" is forbidden: violates PodSecurity \"baseline:v1.36\": host namespaces (hostPID=true)");
}

TEST(PodAdmission, RestrictedIsWarnedAboutAndHonouredWhereAsked) {
  World world;
  Json pod = plain_pod();
  const auto warnings = world.admit(pod);
  ASSERT_TRUE(warnings.has_value());
  ASSERT_EQ(warnings->size(), 1u);
  EXPECT_TRUE(
      (*warnings)[0].starts_with("would violate PodSecurity \"restricted:v1.36\": allowPrivilegeEscalation"))
      << (*warnings)[0];

  world.ns = json(R"({"metadata":{"labels":{"pod-security.kubernetes.io/warn":"baseline"}}})");
  Json quiet = plain_pod();
  EXPECT_TRUE(world.admit(quiet)->empty());

  for (const char* level : {"restricted", "strictest"}) {
    world.ns = json(R"({"metadata":{"labels":{"pod-security.kubernetes.io/enforce":")" + std::string(level) +
                    "\"}}}");
    EXPECT_TRUE(refusal(world, plain_pod())
                    .starts_with("pods \"p\" is forbidden: violates PodSecurity \"restricted"));
  }
}

TEST(PodAdmission, TemplateWarningsNameTheEnforcedLevelFirst) {
  const auto bad = template_warnings(json(R"({"spec":{"hostPID":true}})"), json("{}"));
  ASSERT_EQ(bad.size(), 1u);
  EXPECT_EQ(bad[0], "would violate PodSecurity \"baseline:v1.36\": host namespaces (hostPID=true)");
}

TEST(PodAdmission, ClassifiesQos) {
  auto qos = [](std::string_view resources) {
    return qos_class(json(R"({"containers":[{"name":"c","resources":)" + std::string(resources) + "}]}"));
  };
  EXPECT_EQ(qos("{}"), "BestEffort");
  EXPECT_EQ(qos(R"({"requests":{"cpu":"1"}})"), "Burstable");
  EXPECT_EQ(qos(R"({"limits":{"cpu":"1","memory":"1Gi"}})"), "Guaranteed");
  EXPECT_EQ(qos(R"({"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"500m","memory":"1Gi"}})"),
            "Burstable");
  EXPECT_EQ(qos(R"({"limits":{"nvidia.com/gpu":"1"}})"), "BestEffort");
}

TEST(PodAdmission, ADataSetWithoutAVersionIsItsNewestFromThenOn) {
  const auto pinned = [](std::string_view csi) {
    Json pod = plain_pod(R"(,"volumes":[{"name":"d","csi":)" + std::string(csi) + "}]");
    EXPECT_TRUE(World().admit(pod).has_value());
    return std::string(
        api::string_at(api::array_at(pod, {"spec", "volumes"})[0], {"csi", "volumeAttributes", "version"}));
  };
  EXPECT_EQ(pinned(R"({"driver":"datasets.ingot.dev","volumeAttributes":{"dataset":"digits"}})"), "12");
  EXPECT_EQ(
      pinned(R"({"driver":"datasets.ingot.dev","volumeAttributes":{"dataset":"digits","version":"3"}})"),
      "3");
  EXPECT_EQ(pinned(R"({"driver":"datasets.ingot.dev","volumeAttributes":{"dataset":"none"}})"), "");
  EXPECT_EQ(pinned(R"({"driver":"other","volumeAttributes":{"dataset":"digits"}})"), "");
}

TEST(PodAdmission, TheNewestVersionIsByNumberNotByName) {
  NewestVersion newest("digits");
  for (const std::string_view name : {"digits-v1", "digits-v10", "digits-v2", "digits-v9-old", "digits-vx"})
    EXPECT_TRUE(newest.see(name)) << name;
  EXPECT_FALSE(newest.see("digits-w1"));
  EXPECT_EQ(newest.found(), 10);
}

}  // namespace
}  // namespace ingot::policy
