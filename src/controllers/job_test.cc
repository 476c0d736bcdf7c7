#include "api/deletion.h"
#include "controllers/job_pods.h"
#include "controllers/job_sync.h"
#include "controllers/testing.h"

namespace ingot::controllers {
namespace {

using namespace std::chrono_literals;

class JobTest : public testing::Test {
 protected:
  World world;

  void make_job(std::string_view spec = "", std::string_view name = "train") {
    Json job =
        parse(R"({"apiVersion":"batch/v1","kind":"Job","metadata":{"namespace":"default"},"spec":{)" +
              std::string(spec) + (spec.empty() ? "" : ",") +
              R"("template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}})");
    api::set(job, {"metadata", "name"}, name);
    world.put("jobs.batch", std::move(job));
  }
  Json job(std::string_view name = "train") { return world.get("jobs.batch", "default", name); }
  int64_t status(std::string_view field) { return api::int_at(job(), {"status", field}).value_or(0); }
  std::string condition(std::string_view type) {
    const Json j = job();
    const Json* found = true_job_condition(j, type);
    return found ? std::string(api::string_at(*found, {"reason"})) : "";
  }
  std::vector<std::string> pods(std::string_view phase = "") {
    std::vector<std::string> names;
    for (const Json& pod : world.list("pods"))
      if (phase.empty() || api::string_at(pod, {"status", "phase"}) == phase) names.push_back(name_of(pod));
    return names;
  }
  std::vector<std::string> waiting() { return pods("Pending"); }
  std::vector<std::string> reasons() {
    std::vector<std::string> found;
    for (const Json& event : world.list("events")) found.emplace_back(api::string_at(event, {"reason"}));
    std::ranges::sort(found);
    return found;
  }
};

TEST_F(JobTest, MakesItsPodsAsUpstreamDoes) {
  make_job();
  ASSERT_EQ(pods().size(), 1u);
  const Json pod = world.list("pods")[0];
  EXPECT_TRUE(name_of(pod).starts_with("train-"));
  EXPECT_EQ(name_of(pod).size(), 11u);
  const std::string uid(api::string_at(job(), {"metadata", "uid"}));
  for (std::string_view label : {"controller-uid", "batch.kubernetes.io/controller-uid"})
    EXPECT_EQ(api::string_at(pod, {"metadata", "labels", label}), uid);
  for (std::string_view label : {"job-name", "batch.kubernetes.io/job-name"})
    EXPECT_EQ(api::string_at(pod, {"metadata", "labels", label}), "train");
  EXPECT_EQ(api::string_at(job(), {"spec", "selector", "matchLabels", "batch.kubernetes.io/controller-uid"}),
            uid);
  const Json& owner = api::array_at(pod, {"metadata", "ownerReferences"})[0];
  EXPECT_EQ(api::string_at(owner, {"uid"}), uid);
  EXPECT_TRUE(api::bool_at(owner, {"controller"}));
  EXPECT_TRUE(api::has_finalizer(pod, kTrackingFinalizer));
  EXPECT_EQ(api::string_at(pod, {"spec", "serviceAccountName"}), "default");
  EXPECT_EQ(api::string_at(pod, {"status", "phase"}), "Pending");
  EXPECT_EQ(status("active"), 1);
  EXPECT_FALSE(api::string_at(job(), {"status", "startTime"}).empty());
  EXPECT_EQ(reasons(), std::vector<std::string>{"SuccessfulCreate"});
}

TEST_F(JobTest, CompletesWhenItsPodsSucceed) {
  make_job(R"("completions":3,"parallelism":2)");
  ASSERT_EQ(pods().size(), 2u);
  for (int left = 3; left > 0; --left) {
    EXPECT_EQ(status("active"), std::min(left, 2));
    world.finish(waiting()[0], "Succeeded");
  }
  EXPECT_EQ(pods().size(), 3u);
  EXPECT_EQ(status("succeeded"), 3);
  EXPECT_EQ(status("active"), 0);
  EXPECT_EQ(condition("SuccessCriteriaMet"), "CompletionsReached");
  EXPECT_EQ(condition("Complete"), "CompletionsReached");
  EXPECT_FALSE(api::string_at(job(), {"status", "completionTime"}).empty());
  for (const Json& pod : world.list("pods")) EXPECT_FALSE(api::has_finalizer(pod, kTrackingFinalizer));
}

TEST_F(JobTest, RetriesWithDoublingPausesUpToTheBackoffLimit) {
  make_job(R"("backoffLimit":2)");
  for (const Duration pause : {10s, 20s}) {
    world.finish(waiting()[0], "Failed");
    EXPECT_TRUE(waiting().empty());
    world.advance(pause - 2s);
    EXPECT_TRUE(waiting().empty());
    world.advance(2s);
    EXPECT_EQ(waiting().size(), 1u);
  }
  world.finish(waiting()[0], "Failed");
  EXPECT_EQ(status("failed"), 3);
  EXPECT_EQ(condition("FailureTarget"), "BackoffLimitExceeded");
  EXPECT_EQ(condition("Failed"), "BackoffLimitExceeded");
  world.advance(1h);
  EXPECT_TRUE(waiting().empty());
}

// The factory took its place (a faulty GPU, a silent node, somebody's guarantee): it is made again, at once, and nothing
// of it counts against the Job.
TEST_F(JobTest, AnEvictedPodIsReplacedAndIsNoFailure) {
  make_job(R"("backoffLimit":0)");
  for (int i = 0; i < 3; ++i) {
    const std::string pod = waiting()[0];
    world.bind(pod);
    world.change("pods", "default", pod, [&](Json& p) {
      const Json disrupted = {{"type", "DisruptionTarget"}, {"status", "True"}, {"reason", "Test"}};
      api::set(p, {"status", "conditions"}, JsonArray{disrupted});
    });
    world.remove("pods", "default", pod);
    world.finish(pod, "Failed");
    EXPECT_EQ(waiting().size(), 1u) << i;
  }
  EXPECT_EQ(status("failed"), 0);
  EXPECT_EQ(condition("Failed"), "");
}

TEST_F(JobTest, EndsAtItsDeadlineOnceItsPodsAreGone) {
  make_job(R"("activeDeadlineSeconds":60)");
  const std::string pod = pods()[0];
  world.bind(pod);
  world.advance(61s);
  EXPECT_EQ(condition("FailureTarget"), "DeadlineExceeded");
  EXPECT_EQ(condition("Failed"), "");
  EXPECT_TRUE(api::is_deleting(world.get("pods", "default", pod)));
  EXPECT_EQ(status("terminating"), 1);
  world.remove("pods", "default", pod, {.grace_s = 0});  // the node is done with it
  EXPECT_EQ(condition("Failed"), "DeadlineExceeded");
  EXPECT_EQ(status("failed"), 1);
}

TEST_F(JobTest, GoesAfterItsTtl) {
  make_job(R"("ttlSecondsAfterFinished":100)");
  world.finish(pods()[0], "Succeeded");
  world.advance(99s);
  EXPECT_FALSE(job().is_null());
  world.advance(2s);
  EXPECT_TRUE(job().is_null());
}

TEST_F(JobTest, SuspendsAndResumes) {
  make_job(R"("suspend":true,"parallelism":2,"completions":2)");
  EXPECT_TRUE(pods().empty());
  EXPECT_EQ(condition("Suspended"), "JobSuspended");
  auto suspend = [&](bool yes) {
    world.change("jobs.batch", "default", "train", [&](Json& j) { api::set(j, {"spec", "suspend"}, yes); });
  };
  suspend(false);
  EXPECT_EQ(waiting().size(), 2u);
  EXPECT_EQ(condition("Suspended"), "");
  suspend(true);
  EXPECT_TRUE(pods().empty());
  EXPECT_EQ(status("failed"), 0);
  EXPECT_EQ(status("active"), 0);
}

TEST_F(JobTest, GivesEachIndexOnePod) {
  make_job(R"("completionMode":"Indexed","completions":3,"parallelism":3)");
  ASSERT_EQ(pods().size(), 3u);
  const auto all = world.list("pods");
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(name_of(all[i]).starts_with("train-" + std::to_string(i) + "-"));
    EXPECT_EQ(api::string_at(all[i], {"spec", "hostname"}), "train-" + std::to_string(i));
    EXPECT_EQ(api::string_at(all[i], {"metadata", "annotations", kIndexKey}), std::to_string(i));
    EXPECT_EQ(api::string_at(all[i], {"metadata", "labels", kIndexKey}), std::to_string(i));
  }
  const Json& env = api::array_at(api::array_at(all[0], {"spec", "containers"})[0], {"env"})[0];
  EXPECT_EQ(api::string_at(env, {"name"}), "JOB_COMPLETION_INDEX");
  world.finish(name_of(all[0]), "Succeeded");
  world.finish(name_of(all[2]), "Succeeded");
  EXPECT_EQ(api::string_at(job(), {"status", "completedIndexes"}), "0,2");
  world.finish(name_of(all[1]), "Failed");
  world.advance(11s);
  ASSERT_EQ(waiting().size(), 1u);
  EXPECT_TRUE(waiting()[0].starts_with("train-1-"));
  world.finish(waiting()[0], "Succeeded");
  EXPECT_EQ(api::string_at(job(), {"status", "completedIndexes"}), "0-2");
  EXPECT_EQ(condition("Complete"), "CompletionsReached");
}

TEST_F(JobTest, CountsAForceDeletedPodAsAFailureOnceAndReplacesIt) {
  make_job(R"("parallelism":1)");
  const std::string first = pods()[0];
  world.bind(first);
  world.remove("pods", "default", first, {.grace_s = 0});
  EXPECT_FALSE(world.exists("pods", "default", first));
  EXPECT_EQ(status("failed"), 1);
  EXPECT_EQ(waiting().size(), 1u);
}

TEST_F(JobTest, AForbiddenTemplateMakesAnEventAndNoPod) {
  world.put(
      "jobs.batch",
      parse(
          R"({"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"miner","namespace":"default"},"spec":{)"
          R"("template":{"spec":{"restartPolicy":"Never","hostPID":true,"containers":[{"name":"c"}]}}}})"));
  EXPECT_TRUE(pods().empty());
  const auto events = world.list("events");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(api::string_at(events[0], {"reason"}), "FailedCreate");
  EXPECT_EQ(api::string_at(events[0], {"message"}),
            "Error creating: pods \"miner-\" is forbidden: violates PodSecurity \"baseline:v1.36\": host "
            "namespaces "
            "(hostPID=true)");
  world.advance(10s);
  EXPECT_EQ(world.list("events").size(), 1u);
  EXPECT_GT(api::int_at(world.list("events")[0], {"count"}).value_or(0), 1);
}

TEST_F(JobTest, NodeNameInATemplateBindsNothing) {
  world.put(
      "jobs.batch",
      parse(
          R"({"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"j","namespace":"default"},"spec":{)"
          R"("template":{"spec":{"restartPolicy":"Never","nodeName":"n1","containers":[{"name":"c"}]}}}})"));
  ASSERT_EQ(pods().size(), 1u);
  EXPECT_EQ(api::find(world.list("pods")[0], {"spec", "nodeName"}), nullptr);
}

TEST_F(JobTest, ARestartBetweenEventsCountsEachPodOnce) {
  make_job(R"("completions":3,"parallelism":3)");
  const auto names = pods();
  world.restart([&] { world.finish(names[0], "Succeeded"); });
  EXPECT_EQ(status("succeeded"), 1);
  world.restart();
  EXPECT_EQ(status("succeeded"), 1);
  EXPECT_EQ(pods().size(), 3u);
  world.restart([&] {
    world.finish(names[1], "Succeeded");
    world.finish(names[2], "Succeeded");
  });
  EXPECT_EQ(status("succeeded"), 3);
  EXPECT_EQ(condition("Complete"), "CompletionsReached");
}

TEST_F(JobTest, ShrinksWhenParallelismDoes) {
  make_job(R"("completions":5,"parallelism":4)");
  world.bind(pods()[2]);
  const std::string running = pods()[2];
  world.change("jobs.batch", "default", "train", [](Json& j) { api::set(j, {"spec", "parallelism"}, 1); });
  EXPECT_EQ(pods(), std::vector<std::string>{running});
  EXPECT_EQ(status("failed"), 0);
}

TEST_F(JobTest, MakesManyPodsInSeveralTurns) {
  make_job(R"("completions":250,"parallelism":250)");
  EXPECT_EQ(pods().size(), 250u);
  EXPECT_EQ(status("active"), 250);
}

}  // namespace
}  // namespace ingot::controllers
