#include "node/tracking.h"

#include <gtest/gtest.h>

#include <map>

namespace ingot::node {
namespace {

PodPtr pod_of(std::string_view labels, std::string_view more = "", std::string_view fields = "") {
  const auto json = api::parse_json(
      std::string(R"({"metadata":{"uid":"u","name":"p","namespace":"n","labels":{)") + std::string(labels) +
      R"(},"annotations":{"factory.ingot.dev/cluster":"c7","factory.ingot.dev/experiment":"digits"}},"spec":{
        "volumes":[{"name":"t","projected":{"sources":[{"serviceAccountToken":{"path":"token","expirationSeconds":3607}}]}}],
        "containers":[{"name":"c",)" +
      std::string(fields) + R"("env":[)" + std::string(more) + R"(],
          "volumeMounts":[{"name":"t","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}]},{"name":"blind"}]}})");
  auto pod = parse_pod(*json);
  EXPECT_TRUE(pod);
  return *pod;
}

std::map<std::string, std::string> variables(const PodPtr& pod, size_t container) {
  PodConfig config;
  config.config_maps["elsewhere"] = *api::parse_json(R"({"data":{"MLFLOW_TRACKING_URI":"http://else"}})");
  for (const TokenRef& ref : references(*pod).tokens)
    config.tokens[ref] = {.text = "for " + std::to_string(ref.expiration_s)};
  const auto env = environment_of(*pod, pod->containers[container], config,
                                  {.name = "node-0", .api_host = "10.64.0.1", .api_port = 6443});
  EXPECT_TRUE(env);
  return {env->begin(), env->end()};
}

TEST(Tracking, ContainersOfWorkflowsKnowWhereToLog) {
  const PodPtr pod = pod_of(R"("workflows.argoproj.io/workflow":"w")");
  const auto env = variables(pod, 0);
  EXPECT_EQ(env.at("MLFLOW_TRACKING_URI"), "https://10.64.0.1:6443/mlflow");
  EXPECT_EQ(env.at("MLFLOW_TRACKING_TOKEN"), "for 172800");
  EXPECT_EQ(env.at("MLFLOW_TRACKING_SERVER_CERT_PATH"),
            "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt");
  EXPECT_EQ(env.at("MLFLOW_EXPERIMENT_NAME"), "digits");
  // A container that sees no token of the account gets none this way either.
  EXPECT_FALSE(variables(pod, 1).contains("MLFLOW_TRACKING_TOKEN"));
}

TEST(Tracking, WhatThePodSaysComesFirst) {
  constexpr std::string_view kLabel = R"("workflows.argoproj.io/workflow":"w")";
  auto env = variables(pod_of(kLabel, R"({"name":"MLFLOW_EXPERIMENT_NAME","value":"mine"})"), 0);
  EXPECT_EQ(env.at("MLFLOW_EXPERIMENT_NAME"), "mine");
  EXPECT_EQ(env.at("MLFLOW_TRACKING_TOKEN"), "for 172800");
  env = variables(pod_of(kLabel, R"({"name":"MLFLOW_TRACKING_URI","value":"http://else"})"), 0);
  EXPECT_EQ(env.at("MLFLOW_TRACKING_URI"), "http://else");
  EXPECT_FALSE(env.contains("MLFLOW_TRACKING_TOKEN"));
  EXPECT_FALSE(env.contains("MLFLOW_EXPERIMENT_NAME"));
  env = variables(pod_of(kLabel, R"({"name":"MLFLOW_EXPERIMENT_ID","value":"7"})"), 0);
  EXPECT_TRUE(env.contains("MLFLOW_TRACKING_TOKEN"));
  EXPECT_FALSE(env.contains("MLFLOW_EXPERIMENT_NAME"));
}

TEST(Tracking, WhoLogsElsewhereByAConfigMapShowsNobodyTheToken) {
  const auto env = variables(pod_of(R"("workflows.argoproj.io/workflow":"w")", "",
                                    R"("envFrom":[{"configMapRef":{"name":"elsewhere"}}],)"),
                             0);
  EXPECT_EQ(env.at("MLFLOW_TRACKING_URI"), "http://else");
  EXPECT_FALSE(env.contains("MLFLOW_TRACKING_TOKEN"));
}

TEST(Tracking, OtherPodsAreLeftAlone) {
  EXPECT_FALSE(variables(pod_of(R"("app":"web")"), 0).contains("MLFLOW_TRACKING_URI"));
  EXPECT_FALSE(tracking_token(*pod_of(R"("app":"web")")));
}

}  // namespace
}  // namespace ingot::node
