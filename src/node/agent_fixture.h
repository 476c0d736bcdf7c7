// The world of the agent's tests: one node, one tenant, fakes of every port.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/agent.h"
#include "node/testing.h"

namespace ingot::node {

inline constexpr std::string_view kDigest =
    "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

struct AgentTest : testing::Test {
  AgentTest() {
    config.name = "node-0";
    config.host_ip = "10.0.0.1";
    config.cpu_milli = 4000;
    config.memory_bytes = int64_t{8} << 30;
    api.objects[image_path()] = api::JsonObject{
        {"metadata", api::JsonObject{{"name", "shared.1"}}},
        {"spec", api::JsonObject{{"tenant", ""}, {"reference", "train"}, {"digest", kDigest}}}};
  }
  static std::string image_path() { return "/clusters/root/apis/factory.ingot.dev/v1alpha1/images/shared.1"; }
  static std::string pod_path(const std::string& name = "p") {
    return "/clusters/vision/api/v1/namespaces/default/pods/" + name;
  }
  static std::string allocation_path(const std::string& uid = "u1") {
    return "/clusters/root/apis/factory.ingot.dev/v1alpha1/allocations/" + uid;
  }

  static api::Json make_pod(std::string_view policy = "Always", std::string_view more_spec = "",
                            const std::string& uid = "u1", const std::string& name = "p") {
    return parsed(fmt::format(
        R"({{"metadata":{{"uid":"{}","name":"{}","namespace":"default","annotations":{{"factory.ingot.dev/cluster":"c7"}}}},
            "spec":{{"nodeName":"node-0","restartPolicy":"{}"{},"containers":[{{"name":"c","image":"train"}}]}}}})",
        uid, name, policy, more_spec));
  }
  void allocate(const std::string& uid = "u1", const std::string& name = "p") {
    api.put(
        allocation_path(uid),
        parsed(fmt::format(
            R"({{"metadata":{{"name":"{}"}},"spec":{{"tenant":"vision","cluster":"c7","namespace":"default","pod":"{}","node":"node-0","devices":[]}},"status":{{"phase":"Open"}}}})",
            uid, name)));
  }
  void bind(api::Json pod) {
    allocate();
    api.put(pod_path(), std::move(pod));
    t.loop.run_until_idle();
  }
  void boot() {
    agent.reset();
    agent = std::make_unique<Agent>(config, t.env, api, runtime, files);
    agent->start();
    t.loop.run_until_idle();
  }
  std::string_view at(std::initializer_list<std::string_view> path) {
    return api::string_at(api.objects.at(pod_path()), path);
  }
  std::string_view phase() { return at({"status", "phase"}); }
  const api::Json& container() {
    return api::array_at(api.objects.at(pod_path()), {"status", "containerStatuses"}).at(0);
  }
  bool released(const std::string& uid = "u1") {
    return api::string_at(api.objects.at(allocation_path(uid)), {"status", "phase"}) == "Released";
  }
  void mark_deleted(int64_t grace) {
    api::Json pod = api.objects.at(pod_path());
    api::set(pod, {"metadata", "deletionTimestamp"},
             to_rfc3339(t.clock.wall() + std::chrono::seconds(grace)));
    api::set(pod, {"metadata", "deletionGracePeriodSeconds"}, grace);
    api.put(pod_path(), pod);
  }

  env::TestEnv t;
  NodeConfig config;
  FakeApi api{t.env};
  FakeRuntime runtime{t.env};
  FakeFiles files;
  std::unique_ptr<Agent> agent;
};

}  // namespace ingot::node
