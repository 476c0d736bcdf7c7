#include "workflow/container_set.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "workflow/pod.h"
#include "workflow/testing.h"

namespace ingot::workflow {
namespace {

using testing::ElementsAre;

constexpr std::string_view kSet = R"(
entrypoint: main
templates:
- name: main
  containerSet:
    volumeMounts: [{name: work, mountPath: /work}]
    containers:
    - {name: a, image: i}
    - {name: b, image: i, dependencies: [a], volumeMounts: [{name: own, mountPath: /own}]}
    - {name: main, image: i, dependencies: [a, b]}
)";

TEST(ContainerSet, EachContainerIsANode) {
  Bench b(kSet);
  EXPECT_THAT(b.running(), ElementsAre("wf"));
  EXPECT_EQ(to_string(b.node("wf.b").type), "Container");
  EXPECT_EQ(b.phase("wf.b"), "Pending");
  EXPECT_THAT(b.node("wf.a").after, ElementsAre(b.run->find("wf")));
  EXPECT_THAT(b.node("wf.main").after, ElementsAre(b.run->find("wf.a"), b.run->find("wf.b")));
  const Json pod = yaml(R"(
status:
  phase: Running
  containerStatuses:
  - {name: a, state: {terminated: {exitCode: 0, startedAt: "2027-01-15T08:00:00Z", finishedAt: "2027-01-15T08:00:07Z"}}}
  - {name: b, state: {running: {startedAt: "2027-01-15T08:00:08Z"}}}
  - {name: main, state: {waiting: {reason: DependencyPending}}}
)");
  b.run->pod(0, report_of(pod), b.now);
  b.take();
  EXPECT_EQ(b.phase("wf.a"), "Succeeded");
  EXPECT_EQ(to_rfc3339(b.node("wf.a").finished), "2027-01-15T08:00:07Z");
  EXPECT_EQ(b.phase("wf.b"), "Running");
  EXPECT_EQ(b.phase("wf.main"), "Pending");
  b.again();
  EXPECT_EQ(b.phase("wf.b"), "Running");
  b.end("wf", Phase::Failed);
  EXPECT_EQ(b.phase("wf.a"), "Succeeded");
  EXPECT_EQ(b.phase("wf.main"), "Failed");
  EXPECT_EQ(b.run->phase(), Phase::Failed);
}

TEST(ContainerSet, ItsPodSaysInWhichOrder) {
  const Json body = yaml(kSet).at("templates").at(0);
  EXPECT_EQ(order_of(api::array_at(body, {"containerSet", "containers"})), R"({"b":["a"],"main":["a","b"]})");
  EXPECT_EQ(order_of(JsonArray{yaml("{name: a}")}), "");
  EXPECT_EQ(api::to_text(plain_container(yaml("{name: b, dependencies: [a], volumeMounts: [{name: own}]}"),
                                         {yaml("{name: work}")})),
            R"({"name":"b","volumeMounts":[{"name":"own"},{"name":"work"}]})");
}

TEST(ContainerSet, OneThatIsTriedAgainGoesOn) {
  const Json set = yaml("{containers: [{name: a}], retryStrategy: {retries: '2', duration: 1500ms}}");
  EXPECT_EQ(*retries_of(set), R"({"retries":2,"pauseSeconds":2})");
  const auto told = [](int restarts, std::string_view reason = "Error") {
    const Json pod = yaml(fmt::format(
        R"({{metadata: {{annotations: {{factory.ingot.dev/container-retries: '{{"retries":2}}'}}}}, status: {{phase: Running,
        containerStatuses: [{{name: a, restartCount: {}, state: {{terminated: {{exitCode: 1, reason: {}}}}}}}]}}}})",
        restarts, reason));
    return report_of(pod).containers.at(0).phase;
  };
  EXPECT_EQ(told(0), Phase::Running);
  EXPECT_EQ(told(1), Phase::Running);
  EXPECT_EQ(told(2), Phase::Failed);
  EXPECT_EQ(told(0, "DependencyFailed"), Phase::Failed);
}

TEST(ContainerSet, WhatIsWrongWithIt) {
  const auto fault = [](std::string containers) {
    return check_container_set(yaml("containerSet: {containers: " + containers + "}")).error();
  };
  EXPECT_EQ(fault("[]"), "containerSet.containers is required");
  EXPECT_EQ(fault("[{name: a}, {name: a}]"), "containerSet.containers: name 'a' is not unique");
  EXPECT_EQ(fault("[{name: a, dependencies: [b]}]"),
            "containerSet.containers.a.dependencies: 'b' not defined");
  EXPECT_EQ(fault("[{name: a, dependencies: [b]}, {name: b, dependencies: [a]}]"),
            "containerSet.containers: dependency cycle at 'a'");
  EXPECT_EQ(fault("[{name: a}], retryStrategy: {retries: -1}"),
            "containerSet.retryStrategy.retries: from 0 to 1000");
  EXPECT_EQ(fault("[{name: a}], retryStrategy: {retries: 1, duration: soon}"),
            "containerSet.retryStrategy.duration 'soon' is no duration");
}

}  // namespace
}  // namespace ingot::workflow
