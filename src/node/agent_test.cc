#include "node/agent.h"
#include "node/registration.h"

#include "node/agent_fixture.h"

namespace ingot::node {
namespace {
using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::IsSupersetOf;

TEST_F(AgentTest, StartsABoundPodAndReportsIt) {
  boot();
  bind(make_pod());
  EXPECT_THAT(runtime.log, ElementsAre("run u1.0", "create c.0", "start c.0"));
  EXPECT_EQ(runtime.specs.begin()->second.image, kDigest);
  EXPECT_EQ(phase(), "Running");
  EXPECT_EQ(at({"status", "podIP"}), "10.64.0.7");
  EXPECT_EQ(at({"status", "hostIP"}), "10.0.0.1");
  EXPECT_TRUE(api::bool_at(container(), {"ready"}));
  EXPECT_THAT(api.event_reasons(), ElementsAre("Pulled", "Created", "Started"));
}

TEST_F(AgentTest, WithoutAnAllocationNothingStarts) {
  boot();
  api.put(pod_path(), make_pod());
  t.loop.advance(60s);
  EXPECT_TRUE(runtime.log.empty());
  allocate();
  t.loop.run_until_idle();
  EXPECT_TRUE(runtime.runs("c"));
}

TEST_F(AgentTest, AJobsPodThatEndsIsReportedAndReleased) {
  boot();
  bind(make_pod("Never"));
  runtime.exit("c", 0);
  t.loop.run_until_idle();
  EXPECT_EQ(phase(), "Succeeded");
  EXPECT_TRUE(released());
  EXPECT_TRUE(runtime.sandboxes.empty());
  EXPECT_TRUE(files.removed.empty()) << "logs stay until the object is deleted";
  api.erase(pod_path());
  t.loop.run_until_idle();
  EXPECT_TRUE(files.removed.contains("u1"));
  EXPECT_EQ(agent->counts().pods, 0u);
}

TEST_F(AgentTest, AFailedPodKeepsItsExitCode) {
  boot();
  bind(make_pod("Never"));
  runtime.exit("c", 3);
  t.loop.run_until_idle();
  EXPECT_EQ(phase(), "Failed");
  EXPECT_EQ(api::int_at(container(), {"state", "terminated", "exitCode"}), 3);
  EXPECT_TRUE(released());
}

api::Json ordered_pod() {
  api::Json pod = AgentTest::make_pod("Never");
  api::set(pod, {"metadata", "annotations", kOrderAnnotation}, R"({"b": ["a"], "c": ["a", "b", "nobody"]})");
  for (const std::string_view name : {"a", "b"})
    pod.at("spec").at("containers").as_array().push_back({{"name", name}, {"image", "train"}});
  return pod;
}

TEST_F(AgentTest, ContainersStartAfterThoseTheyComeAfter) {
  boot();
  bind(ordered_pod());
  EXPECT_EQ(runtime.count("start a.0"), 1u);
  EXPECT_EQ(runtime.count("start b.0") + runtime.count("start c.0"), 0u);
  EXPECT_EQ(phase(), "Running");
  runtime.exit("a", 0);
  t.loop.run_until_idle();
  EXPECT_EQ(runtime.count("start b.0"), 1u);
  boot();
  EXPECT_EQ(api::string_at(container(), {"state", "waiting", "reason"}), "DependencyPending");
  EXPECT_EQ(api::string_at(container(), {"state", "waiting", "message"}), "starts after container \"b\"");
  runtime.exit("b", 0);
  t.loop.run_until_idle();
  EXPECT_EQ(runtime.count("start c.0"), 1u);
  runtime.exit("c", 0);
  t.loop.run_until_idle();
  EXPECT_EQ(phase(), "Succeeded");
}

TEST_F(AgentTest, AContainerAfterOneThatFailedNeverStarts) {
  boot();
  bind(ordered_pod());
  runtime.exit("a", 3);
  t.loop.run_until_idle();
  EXPECT_EQ(phase(), "Failed");
  EXPECT_EQ(runtime.count("start b.0") + runtime.count("start c.0"), 0u);
  EXPECT_EQ(api::int_at(container(), {"state", "terminated", "exitCode"}), 64);
  EXPECT_EQ(api::string_at(container(), {"state", "terminated", "reason"}), "DependencyFailed");
  EXPECT_TRUE(released());
}

TEST_F(AgentTest, AContainerIsRetriedWhereItsPodSaysSo) {
  boot();
  api::Json pod = ordered_pod();
  api::set(pod, {"metadata", "annotations", kRetriesAnnotation}, R"({"retries": 2, "pauseSeconds": 3})");
  bind(std::move(pod));
  runtime.exit("a", 1);
  t.loop.run_until_idle();
  EXPECT_EQ(phase(), "Running");
  EXPECT_EQ(runtime.count("start a.1") + runtime.count("start b.0"), 0u) << "not at once";
  t.loop.advance(std::chrono::seconds(3));
  EXPECT_EQ(runtime.count("start a.1"), 1u);
  runtime.exit("a", 0);
  t.loop.run_until_idle();
  for (int i = 0; i < 3; ++i) {
    runtime.exit("b", 1);
    t.loop.run_until_idle();
    t.loop.advance(std::chrono::seconds(3));
  }
  EXPECT_EQ(runtime.count("start b.2"), 1u);
  EXPECT_EQ(runtime.count("start b.3") + runtime.count("start c.0"), 0u)
      << "enough, and what comes after never starts";
  EXPECT_EQ(phase(), "Failed");
  EXPECT_TRUE(released());
}

TEST_F(AgentTest, ACrashLoopBacksOff) {
  boot();
  bind(make_pod());
  runtime.exit("c", 1);
  t.loop.run_until_idle();
  EXPECT_EQ(runtime.count("start c.1"), 1u) << "the first restart is at once";
  runtime.exit("c", 1);
  t.loop.advance(9s);
  EXPECT_EQ(api::string_at(container(), {"state", "waiting", "reason"}), "CrashLoopBackOff");
  EXPECT_EQ(api::int_at(container(), {"lastState", "terminated", "exitCode"}), 1);
  EXPECT_EQ(phase(), "Running");
  EXPECT_EQ(runtime.count("start c.2"), 0u);
  t.loop.advance(2s);
  EXPECT_EQ(runtime.count("start c.2"), 1u);
  EXPECT_EQ(api::int_at(container(), {"restartCount"}), 2);
  EXPECT_THAT(runtime.log, Contains("remove u1.0/c.0")) << "of the exited ones only the last is kept";
}

TEST_F(AgentTest, ADeletedPodIsLeftAloneUntilItsAllocationIsSeen) {
  boot();
  api.put(pod_path(), make_pod());
  mark_deleted(2);
  t.loop.advance(10s);
  EXPECT_EQ(api.count("DELETE", "/pods/"), 0) << "only the Allocation says which tenant's pod it is";
  allocate();
  t.loop.advance(10s);
  EXPECT_TRUE(released());
  EXPECT_FALSE(api.objects.contains(pod_path()));
}

TEST_F(AgentTest, DeletionStopsThenReleasesThenRemovesTheObject) {
  boot();
  bind(make_pod());
  mark_deleted(30);
  t.loop.run_until_idle();
  EXPECT_THAT(runtime.graces, ElementsAre(Duration(30s)));
  EXPECT_TRUE(runtime.sandboxes.empty());
  EXPECT_TRUE(released());
  EXPECT_FALSE(api.objects.contains(pod_path()));
  EXPECT_TRUE(files.removed.contains("u1"));
}

TEST_F(AgentTest, AForceDeletedPodStillHoldsUntilItsSandboxIsGone) {
  boot();
  bind(make_pod());
  runtime.obeys_stop = false;
  runtime.failing = {"stop"};
  api.erase(pod_path());
  t.loop.advance(3s);
  EXPECT_FALSE(released());
  EXPECT_GE(runtime.graces.size(), 2u) << "stopping is tried again";
  runtime.obeys_stop = true;
  runtime.failing.clear();
  t.loop.advance(3s);
  EXPECT_TRUE(released());
  EXPECT_TRUE(runtime.sandboxes.empty());
  EXPECT_EQ(agent->counts().pods, 0u);
}

TEST_F(AgentTest, ARevokedAllocationStopsThePod) {
  boot();
  bind(make_pod());
  api.erase(allocation_path());
  t.loop.run_until_idle();
  EXPECT_TRUE(runtime.sandboxes.empty());
  t.loop.advance(60s);
  EXPECT_EQ(runtime.count("run u1.1"), 0u);
}

TEST_F(AgentTest, ARestartedAgentAdoptsWhatRuns) {
  boot();
  bind(make_pod());
  boot();
  t.loop.advance(60s);
  EXPECT_EQ(runtime.count("run u1.0"), 1u);
  EXPECT_EQ(runtime.count("start c.0"), 1u);
  EXPECT_TRUE(runtime.runs("c"));
  EXPECT_EQ(phase(), "Running");
  runtime.exit("c", 1);
  t.loop.run_until_idle();
  EXPECT_EQ(runtime.count("start c.1"), 1u);
}

TEST_F(AgentTest, ARestartedAgentEndsWhatEndedMeanwhile) {
  boot();
  bind(make_pod("Never"));
  agent.reset();
  runtime.exit("c", 0);
  boot();
  EXPECT_EQ(phase(), "Succeeded");
  EXPECT_TRUE(released());
  EXPECT_EQ(runtime.count("start c.0"), 1u);
}

TEST_F(AgentTest, AfterAPowerCutANeverPodIsNotRunTwice) {
  boot();
  bind(make_pod("Never"));
  agent.reset();
  runtime.sandboxes.clear();
  boot();
  EXPECT_EQ(phase(), "Failed");
  EXPECT_EQ(api::string_at(container(), {"state", "terminated", "reason"}), "ContainerStatusUnknown");
  EXPECT_TRUE(released());
  EXPECT_EQ(runtime.count("start c.0"), 1u);
}

TEST_F(AgentTest, AfterAPowerCutAnAlwaysPodRunsAgainAndCountsIt) {
  boot();
  bind(make_pod());
  agent.reset();
  runtime.sandboxes.clear();
  boot();
  t.loop.run_until_idle();
  EXPECT_EQ(runtime.count("start c.1"), 1u);
  EXPECT_EQ(api::int_at(container(), {"restartCount"}), 1);
}

TEST_F(AgentTest, ASandboxNobodyWantsIsStopped) {
  boot();
  bind(make_pod());
  agent.reset();
  api.objects.erase(pod_path());
  api.objects.erase(allocation_path());
  boot();
  EXPECT_TRUE(runtime.sandboxes.empty());
  EXPECT_TRUE(files.removed.contains("u1"));
}

TEST_F(AgentTest, AnAllocationWhosePodWentWhileNobodyLookedIsReleased) {
  allocate();
  boot();
  EXPECT_FALSE(released()) << "the pod may be on its way";
  t.loop.advance(2s);
  EXPECT_TRUE(released());
}

TEST_F(AgentTest, AnAllocationThatComesBeforeItsPodWaits) {
  boot();
  allocate();
  api.muted = true;
  api.objects[pod_path()] = make_pod();
  t.loop.advance(30s);
  EXPECT_FALSE(released());
  api.muted = false;
  api.relist();
  t.loop.run_until_idle();
  EXPECT_TRUE(runtime.runs("c"));
}

TEST_F(AgentTest, LostCallsAreMadeAgain) {
  boot();
  bind(make_pod("Never"));
  runtime.exit("c", 0);
  api.drop_requests = 3;
  api.drop_answers = 4;
  t.loop.advance(120s);
  EXPECT_EQ(phase(), "Succeeded");
  EXPECT_TRUE(released());
}

TEST_F(AgentTest, WhatALateCallOfAnEarlierLifeSaidIsPutRight) {
  config.gpus.boards = {gpu::Board{.uuid = "GPU-0", .index = 0, .model = "H100-80GB"}};
  boot();
  const std::string slice = "/clusters/root/apis/resource.k8s.io/v1/resourceslices/node-0-gpu.nvidia.com";
  const auto devices = [&] { return api::to_text(*api::find(api.objects.at(slice), {"spec", "devices"})); };
  const std::string healthy = devices();
  api::set(api.objects.at(slice), {"spec", "devices"}, api::JsonArray{});
  t.loop.advance(Registration::kReport + Registration::kHeartbeat);
  EXPECT_EQ(devices(), healthy);
}

TEST_F(AgentTest, WatchesThatRepeatThemselvesChangeNothing) {
  boot();
  bind(make_pod());
  const size_t steps = runtime.log.size();
  for (int i = 0; i < 3; ++i) {
    api.relist();
    api.put(pod_path(), api::Json(api.objects.at(pod_path())));
    t.loop.advance(5s);
  }
  EXPECT_EQ(runtime.log.size(), steps);
  EXPECT_EQ(api.count("PATCH", "pods/p/status"), 3u)
      << "creating, and running before and after its exact start";
}

TEST_F(AgentTest, AMissingImageSaysHowToLoadIt) {
  api.objects.clear();
  boot();
  bind(make_pod());
  EXPECT_EQ(phase(), "Pending");
  EXPECT_EQ(api::string_at(container(), {"state", "waiting", "reason"}), "ImagePullBackOff");
  EXPECT_THAT(std::string(api::string_at(container(), {"state", "waiting", "message"})),
              testing::HasSubstr("ingot image load FILE --tenant vision"));
  api.put(
      image_path(),
      parsed(fmt::format(
          R"({{"metadata":{{"name":"shared.1"}},"spec":{{"tenant":"","reference":"docker.io/library/train:latest","digest":"{}"}}}})",
          kDigest)));
  t.loop.run_until_idle();
  EXPECT_EQ(phase(), "Running");
}

TEST_F(AgentTest, InitContainersRunOneAfterAnother) {
  boot();
  bind(make_pod("Never", R"(,"initContainers":[{"name":"a","image":"train"},{"name":"b","image":"train"}])"));
  EXPECT_TRUE(runtime.runs("a"));
  EXPECT_FALSE(runtime.runs("b"));
  EXPECT_EQ(api::string_at(container(), {"state", "waiting", "reason"}), "PodInitializing");
  runtime.exit("a", 0);
  t.loop.run_until_idle();
  EXPECT_TRUE(runtime.runs("b"));
  EXPECT_FALSE(runtime.runs("c"));
  runtime.exit("b", 0);
  t.loop.run_until_idle();
  EXPECT_TRUE(runtime.runs("c"));
  EXPECT_EQ(phase(), "Running");
}

TEST_F(AgentTest, AFailedInitContainerFailsANeverPod) {
  boot();
  bind(make_pod("Never", R"(,"initContainers":[{"name":"a","image":"train"}])"));
  runtime.exit("a", 2);
  t.loop.run_until_idle();
  EXPECT_EQ(phase(), "Failed");
  EXPECT_EQ(runtime.count("create c.0"), 0u);
  EXPECT_TRUE(released());
}

TEST_F(AgentTest, ASidecarRunsBesideAndEndsAfterTheMainContainer) {
  boot();
  bind(make_pod("Never", R"(,"initContainers":[{"name":"s","image":"train","restartPolicy":"Always"}])"));
  EXPECT_TRUE(runtime.runs("s"));
  EXPECT_TRUE(runtime.runs("c"));
  runtime.exit("c", 0);
  t.loop.run_until_idle();
  EXPECT_FALSE(runtime.runs("s"));
  EXPECT_EQ(phase(), "Succeeded");
  EXPECT_TRUE(released());
}

TEST_F(AgentTest, TheActiveDeadlineEndsAPod) {
  boot();
  bind(make_pod("Never", R"(,"activeDeadlineSeconds":20)"));
  t.loop.advance(19s);
  EXPECT_TRUE(runtime.runs("c"));
  t.loop.advance(2s);
  EXPECT_EQ(phase(), "Failed");
  EXPECT_EQ(at({"status", "reason"}), "DeadlineExceeded");
  EXPECT_TRUE(released());
}

TEST_F(AgentTest, AFailingSandboxIsTriedAgain) {
  runtime.failing = {"run"};
  boot();
  bind(make_pod());
  t.loop.advance(5s);
  EXPECT_GE(runtime.count("run u1.0"), 2u);
  EXPECT_THAT(api.event_reasons(), Contains("FailedCreatePodSandBox"));
  runtime.failing.clear();
  t.loop.advance(10s);
  EXPECT_EQ(phase(), "Running");
}

TEST_F(AgentTest, ADrainEndsPodsAndReleasesThem) {
  boot();
  bind(make_pod());
  bool done = false;
  agent->drain([&] { done = true; });
  t.loop.advance(1s);
  EXPECT_TRUE(done);
  EXPECT_EQ(phase(), "Failed");
  EXPECT_EQ(at({"status", "reason"}), "Terminated");
  EXPECT_TRUE(released());
  EXPECT_TRUE(runtime.sandboxes.empty());
}

TEST_F(AgentTest, OneTooManyIsRefused) {
  config.max_pods = 1;
  boot();
  bind(make_pod());
  allocate("u2", "q");
  api.put(pod_path("q"), make_pod("Never", "", "u2", "q"));
  t.loop.run_until_idle();
  EXPECT_EQ(api::string_at(api.objects.at(pod_path("q")), {"status", "reason"}), "OutOfpods");
  EXPECT_TRUE(released("u2"));
  EXPECT_TRUE(runtime.runs("c"));
}

TEST_F(AgentTest, AShorterGraceIsPassedOn) {
  boot();
  bind(make_pod());
  runtime.obeys_stop = false;
  mark_deleted(30);
  t.loop.run_until_idle();
  mark_deleted(2);
  t.loop.run_until_idle();
  EXPECT_THAT(runtime.graces, IsSupersetOf({Duration(30s), Duration(2s)}));
}

TEST_F(AgentTest, ARepeatedUidMeansTheOldPodIsGone) {
  boot();
  bind(make_pod());
  api.erase(pod_path());
  api.put(pod_path(), make_pod("Always", "", "u2"));
  allocate("u2");
  t.loop.advance(2s);
  EXPECT_TRUE(released("u1"));
  EXPECT_FALSE(released("u2"));
  EXPECT_EQ(runtime.sandboxes.size(), 1u);
  EXPECT_EQ(runtime.sandboxes.begin()->second.pod_uid, "u2");
}

TEST_F(AgentTest, AConflictIsNotTheEnd) {
  boot();
  bind(make_pod("Never"));
  runtime.exit("c", 0);
  int conflicts = 3;
  api.intercept = [&](const Call& c) -> std::optional<Result<Answer>> {
    if (c.method == "GET" || conflicts-- <= 0) return std::nullopt;
    return Answer{409, "{}"};
  };
  t.loop.advance(30s);
  EXPECT_EQ(phase(), "Succeeded");
  EXPECT_TRUE(released());
  conflicts = 2;
  mark_deleted(0);
  t.loop.advance(30s);
  EXPECT_FALSE(api.objects.contains(pod_path()));
}

}  // namespace
}  // namespace ingot::node
