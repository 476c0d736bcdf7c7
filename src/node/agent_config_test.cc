// What a pod names (ConfigMaps, tokens), its probes and hooks, through the whole agent.
#include "node/agent_fixture.h"

namespace ingot::node {
namespace {
using namespace std::chrono_literals;
using testing::Contains;
using testing::IsSupersetOf;

constexpr std::string_view kConfigured =
    R"(,"volumes":[{"name":"v","configMap":{"name":"m"}},{"name":"t","projected":{"sources":[
        {"serviceAccountToken":{"path":"token","expirationSeconds":1000}},{"configMap":{"name":"kube-root-ca.crt"}}]}}])";
std::string config_map_path() { return "/clusters/vision/api/v1/namespaces/default/configmaps/m"; }

struct ConfigTest : AgentTest {
  ConfigTest() {
    config.ca_pem = "PEM";
    api.intercept = [this](const Call& c) -> std::optional<Result<Answer>> {
      if (!c.path.ends_with("/serviceaccounts/default/token")) return std::nullopt;
      const std::string expires = to_rfc3339(t.clock.wall() + 1000s);
      return Answer{201, fmt::format(R"({{"status":{{"token":"jwt{}","expirationTimestamp":"{}"}}}})",
                                     ++tokens, expires)};
    };
  }
  std::string file(const std::string& volume, const std::string& name) {
    return files.volumes.at("/pods/u1/" + volume).at(name).bytes;
  }
  int tokens = 0;
};

TEST_F(ConfigTest, APodWaitsForAMissingConfigMapAndSaysSo) {
  boot();
  bind(make_pod("Always", kConfigured));
  t.loop.advance(2s);
  EXPECT_EQ(phase(), "Pending");
  EXPECT_EQ(runtime.count("create c.0"), 0u);
  EXPECT_THAT(std::string(api::string_at(container(), {"state", "waiting", "message"})),
              testing::HasSubstr("configmap \"m\" not found"));
  EXPECT_THAT(api.event_reasons(), Contains("FailedMount"));
  api.objects[config_map_path()] = parsed(R"({"data":{"k":"v"}})");
  t.loop.advance(70s);
  EXPECT_EQ(phase(), "Running");
  EXPECT_EQ(file("v", "k"), "v");
  EXPECT_EQ(file("t", "ca.crt"), "PEM");
  EXPECT_EQ(api.count("GET", "kube-root-ca.crt"), 0u) << "the node knows the CA itself";
}

TEST_F(ConfigTest, WhatChangesReachesThePodAndATokenIsRenewedInTime) {
  api.objects[config_map_path()] = parsed(R"({"data":{"k":"v"}})");
  boot();
  bind(make_pod("Always", kConfigured));
  EXPECT_EQ(file("t", "token"), "jwt1");
  api.objects[config_map_path()] = parsed(R"({"data":{"k":"new"}})");
  t.loop.advance(75s);
  EXPECT_EQ(file("v", "k"), "new");
  t.loop.advance(700s);
  EXPECT_EQ(tokens, 1);
  t.loop.advance(60s);
  EXPECT_EQ(file("t", "token"), "jwt2") << "at 80 % of its life";
  EXPECT_EQ(runtime.count("start c.0"), 1u);
}

TEST_F(ConfigTest, AMissingKeyOfTheEnvironmentIsAConfigError) {
  boot();
  api::Json pod = make_pod();
  pod.at("spec").at("containers").at(0).get_object()["env"] =
      parsed(R"([{"name":"X","valueFrom":{"configMapKeyRef":{"name":"m","key":"k"}}}])");
  bind(pod);
  EXPECT_EQ(api::string_at(container(), {"state", "waiting", "reason"}), "CreateContainerConfigError");
  EXPECT_EQ(api::string_at(container(), {"state", "waiting", "message"}), "configmap \"m\" not found");
  api.objects[config_map_path()] = parsed(R"({"data":{"k":"v"}})");
  t.loop.advance(30s);
  EXPECT_EQ(phase(), "Running");
}

TEST_F(AgentTest, AFailingLivenessProbeRestartsTheContainer) {
  boot();
  api::Json pod = make_pod();
  pod.at("spec").at("containers").at(0).get_object()["livenessProbe"] =
      parsed(R"({"exec":{"command":["live"]},"periodSeconds":1,"failureThreshold":2})");
  runtime.exec_code = 1;
  bind(pod);
  t.loop.advance(2s);
  EXPECT_EQ(runtime.count("stop c.0"), 1u);
  EXPECT_EQ(runtime.count("start c.1"), 1u);
  EXPECT_THAT(api.event_reasons(), IsSupersetOf({"Unhealthy", "Killing"}));
}

TEST_F(AgentTest, APreStopHookRunsWithinTheGrace) {
  boot();
  api::Json pod = make_pod();
  pod.at("spec").at("containers").at(0).get_object()["lifecycle"] =
      parsed(R"({"preStop":{"exec":{"command":["bye"]}}})");
  bind(pod);
  mark_deleted(30);
  t.loop.run_until_idle();
  ASSERT_GE(runtime.log.size(), 5u);
  EXPECT_EQ(runtime.log[3], "exec bye");
  EXPECT_EQ(runtime.log[4], "stop c.0");
}

}  // namespace
}  // namespace ingot::node
