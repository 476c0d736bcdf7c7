#include "node/status.h"

#include <gtest/gtest.h>

#include "node/restart.h"
#include "node/testing.h"

namespace ingot::node {
namespace {
using namespace std::chrono_literals;

const WallTime kNow = *parse_rfc3339("2026-01-02T03:04:05Z");

PodPtr pod_of(std::string_view spec, std::string_view status = "{}") {
  auto pod = parse_pod(parsed(fmt::format(
      R"({{"metadata":{{"uid":"u","name":"p","namespace":"n"}},"spec":{},"status":{}}})", spec, status)));
  EXPECT_TRUE(pod) << pod.error().message;
  return *pod;
}
constexpr std::string_view kTwo = R"({"restartPolicy":"Never","containers":[{"name":"a"},{"name":"b"}]})";

ContainerView running() {
  return {.current = ContainerStatus{.id = "1", .state = ContainerState::Running},
          .started = true,
          .ready = true};
}
ContainerView exited(int32_t code) {
  return {.current = ContainerStatus{.id = "1", .state = ContainerState::Exited, .exit_code = code}};
}

struct PhaseCase {
  std::string_view policy;
  std::vector<std::pair<std::string, ContainerView>> containers;
  std::string_view phase;
};

TEST(Phase, FollowsTheKubeletsTable) {
  const PhaseCase cases[] = {
      {"Always", {}, "Pending"},
      {"Always", {{"a", running()}}, "Pending"},
      {"Always", {{"a", running()}, {"b", running()}}, "Running"},
      {"Always", {{"a", exited(0)}, {"b", running()}}, "Running"},
      {"Always", {{"a", exited(1)}, {"b", exited(0)}}, "Running"},
      {"OnFailure", {{"a", exited(1)}, {"b", exited(0)}}, "Running"},
      {"OnFailure", {{"a", exited(0)}, {"b", exited(0)}}, "Succeeded"},
      {"Never", {{"a", exited(0)}, {"b", running()}}, "Running"},
      {"Never", {{"a", exited(0)}, {"b", exited(0)}}, "Succeeded"},
      {"Never", {{"a", exited(0)}, {"b", exited(9)}}, "Failed"},
  };
  for (const PhaseCase& c : cases) {
    PodView view{.pod = pod_of(fmt::format(
                     R"({{"restartPolicy":"{}","containers":[{{"name":"a"}},{{"name":"b"}}]}})", c.policy))};
    for (const auto& [name, v] : c.containers) view.containers[name] = v;
    EXPECT_EQ(phase_of(view), c.phase) << c.policy << " with " << c.containers.size();
  }
}

TEST(Phase, AFailedInitContainerFailsOnlyWhatNeverRestarts) {
  for (const auto& [policy, phase] : {std::pair{"Never", "Failed"}, std::pair{"OnFailure", "Pending"}}) {
    PodView view{
        .pod = pod_of(fmt::format(
            R"({{"restartPolicy":"{}","initContainers":[{{"name":"i"}}],"containers":[{{"name":"a"}}]}})",
            policy))};
    view.containers["i"] = exited(1);
    EXPECT_EQ(phase_of(view), phase);
  }
}

TEST(Phase, AnEndedPodIsJudgedByItsExitCodes) {
  PodView view{.pod = pod_of(R"({"restartPolicy":"Always","containers":[{"name":"a"}]})"), .ended = true};
  view.containers["a"] = exited(0);
  EXPECT_EQ(phase_of(view), "Succeeded");
  view.containers["a"] = exited(137);
  EXPECT_EQ(phase_of(view), "Failed");
  view.containers["a"] = exited(0);
  view.reason = "DeadlineExceeded";
  EXPECT_EQ(phase_of(view), "Failed");
}

std::map<std::string, std::pair<std::string, std::string>> conditions(const api::JsonObject& status) {
  std::map<std::string, std::pair<std::string, std::string>> out;
  for (const api::Json& c : status.at("conditions").as_array())
    out[std::string(api::string_at(c, {"type"}))] = {std::string(api::string_at(c, {"status"})),
                                                     std::string(api::string_at(c, {"reason"}))};
  return out;
}

TEST(Conditions, NameWhatIsNotReady) {
  PodView view{.pod = pod_of(kTwo), .sandbox_ready = true};
  view.containers["a"] = running();
  const auto status = make_status(view, kNow, {});
  const auto c = conditions(status);
  EXPECT_EQ(c.at("Ready"), std::pair(std::string("False"), std::string("ContainersNotReady")));
  EXPECT_EQ(c.at("Initialized").first, "True");
  EXPECT_EQ(c.at("PodScheduled").first, "True");
  EXPECT_EQ(c.at("PodReadyToStartContainers").first, "True");
  const api::Json whole = status;
  EXPECT_EQ(api::string_at(api::array_at(whole, {"conditions"}).at(2), {"message"}),
            "containers with unready status: [b]");
}

TEST(Conditions, ASucceededPodIsCompleted) {
  PodView view{.pod = pod_of(kTwo)};
  view.containers["a"] = view.containers["b"] = exited(0);
  const auto c = conditions(make_status(view, kNow, {}));
  EXPECT_EQ(c.at("Ready"), std::pair(std::string("False"), std::string("PodCompleted")));
  EXPECT_EQ(c.at("Initialized").first, "True");
}

TEST(Conditions, KeepTheTimeOfWhatDidNotChangeAndWhatOthersWrote) {
  PodView view{.pod = pod_of(kTwo, R"({"conditions":[{"type":"example.com/gate","status":"True"}]})")};
  view.containers["a"] = view.containers["b"] = running();
  const api::JsonObject first = make_status(view, kNow, {});
  const api::JsonObject later = make_status(view, kNow + 1h, first.at("conditions").as_array());
  EXPECT_EQ(first, later);
  EXPECT_TRUE(conditions(first).contains("example.com/gate"));
}

TEST(Conditions, AReadinessGateHoldsReadyBack) {
  constexpr std::string_view kGated =
      R"({"containers":[{"name":"a"}],"readinessGates":[{"conditionType":"g"}]})";
  PodView view{.pod = pod_of(kGated)};
  view.containers["a"] = running();
  EXPECT_EQ(conditions(make_status(view, kNow, {})).at("Ready").second, "ReadinessGatesNotReady");
  view.pod = pod_of(kGated, R"({"conditions":[{"type":"g","status":"True"}]})");
  EXPECT_EQ(conditions(make_status(view, kNow, {})).at("Ready").first, "True");
}

TEST(ContainerStatuses, ACrashThatWaitsShowsItsLastState) {
  PodView view{.pod = pod_of(R"({"containers":[{"name":"a"}]})")};
  view.containers["a"] = exited(7);
  view.containers["a"].waiting_reason = "CrashLoopBackOff";
  const api::Json status = make_status(view, kNow, {});
  const api::Json& c = api::array_at(status, {"containerStatuses"}).at(0);
  EXPECT_EQ(api::string_at(c, {"state", "waiting", "reason"}), "CrashLoopBackOff");
  EXPECT_EQ(api::int_at(c, {"lastState", "terminated", "exitCode"}), 7);
  EXPECT_EQ(api::string_at(c, {"lastState", "terminated", "containerID"}), "containerd://1");
}

TEST(Recall, WhatRanAndIsNotFoundCountsAsKilled) {
  const auto pod = pod_of(
      R"({"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]})",
      R"({"containerStatuses":[{"name":"a","restartCount":2,"state":{"running":{"startedAt":"2026-01-02T03:00:00Z"}}},
          {"name":"b","state":{"terminated":{"exitCode":0,"reason":"Completed"}}},{"name":"c","state":{"waiting":{}}}]})");
  const auto a = recall(*pod, "a", kNow);
  ASSERT_TRUE(a);
  EXPECT_EQ(a->exit_code, 137);
  EXPECT_EQ(a->reason, "ContainerStatusUnknown");
  EXPECT_EQ(a->attempt, 2u);
  EXPECT_EQ(recall(*pod, "b", kNow)->exit_code, 0);
  EXPECT_FALSE(recall(*pod, "c", kNow));
}

TEST(Restart, FollowsPolicyAndKind) {
  const ContainerDef main{.name = "m"}, init{.name = "i", .init = true},
      sidecar{.init = true, .sidecar = true};
  EXPECT_TRUE(restarts(main, RestartPolicy::Always, 0));
  EXPECT_FALSE(restarts(main, RestartPolicy::OnFailure, 0));
  EXPECT_TRUE(restarts(main, RestartPolicy::OnFailure, 1));
  EXPECT_FALSE(restarts(main, RestartPolicy::Never, 1));
  EXPECT_FALSE(restarts(init, RestartPolicy::Always, 0));
  EXPECT_TRUE(restarts(init, RestartPolicy::Always, 1));
  EXPECT_TRUE(restarts(sidecar, RestartPolicy::Never, 0));
}

TEST(Restart, DelaysDoubleFromTenSecondsToFiveMinutes) {
  const Duration expected[] = {0s, 10s, 20s, 40s, 80s, 160s, 300s, 300s};
  for (int streak = 0; streak < 8; ++streak) EXPECT_EQ(restart_delay(streak), expected[streak]) << streak;
  EXPECT_EQ(restart_delay(1000), 300s);
  EXPECT_EQ(streak_at_exit(5, 9min), 5);
  EXPECT_EQ(streak_at_exit(5, 10min), 0);
}

}  // namespace
}  // namespace ingot::node
