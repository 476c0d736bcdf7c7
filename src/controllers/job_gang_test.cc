#include "controllers/job_gang.h"

#include "controllers/job_sync.h"
#include "controllers/testing.h"
#include "scheduler/objects.h"

namespace ingot::controllers {
namespace {

using namespace std::chrono_literals;

class JobGangTest : public testing::Test {
 protected:
  World world;

  void make_job(std::string_view spec, JsonObject annotations, JsonObject labels = {}) {
    Json job = parse(
        R"({"apiVersion":"batch/v1","kind":"Job","metadata":{"namespace":"default","name":"train"},"spec":{)" +
        std::string(spec) +
        R"(,"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}})");
    api::set(job, {"metadata", "annotations"}, std::move(annotations));
    api::set(job, {"metadata", "labels"}, std::move(labels));
    world.put("jobs.batch", std::move(job));
  }
  std::vector<Json> groups() { return world.list("podgroups.scheduling.x-k8s.io"); }
  int64_t least() {
    return groups().empty() ? 0 : api::int_at(groups()[0], {"spec", "minMember"}).value_or(0);
  }
};

TEST_F(JobGangTest, ItsPodsAreOfOneGroupThatIsItsOwn) {
  make_job(R"("parallelism":3,"completions":3)", {{scheduler::kGang, "true"}});
  ASSERT_EQ(groups().size(), 1u);
  const Json group = groups()[0];
  EXPECT_EQ(api::int_at(group, {"spec", "minMember"}), 3);
  EXPECT_EQ(api::string_at(api::array_at(group, {"metadata", "ownerReferences"})[0], {"name"}), "train");
  EXPECT_TRUE(name_of(group).starts_with("train-"));
  ASSERT_EQ(world.list("pods").size(), 3u);
  for (const Json& pod : world.list("pods"))
    EXPECT_EQ(api::string_at(pod, {"metadata", "labels", scheduler::kGangLabel}), name_of(group));
  world.remove("jobs.batch", "default", "train");
  EXPECT_TRUE(groups().empty());
}

TEST_F(JobGangTest, FollowsTheJobsParallelism) {
  make_job(R"("parallelism":4)", {{scheduler::kGang, "true"}});
  EXPECT_EQ(least(), 4);
  world.change("jobs.batch", "default", "train",
               [](Json& job) { api::set(job, {"spec", "parallelism"}, 2); });
  EXPECT_EQ(least(), 2);
}

TEST_F(JobGangTest, WaitsForNoMorePodsThanAreStillToCome) {
  make_job(R"("parallelism":3,"completions":3)", {{scheduler::kGang, "true"}});
  const auto first = world.list("pods");
  for (const size_t i : {0, 1})
    world.change("pods", "default", name_of(first[i]),
                 [](Json& pod) { api::set(pod, {"status", "phase"}, "Succeeded"); });
  EXPECT_EQ(least(), 3) << "the succeeded are still there";
  world.remove("pods", "default", name_of(first[0]));
  EXPECT_EQ(least(), 2) << "one succeeded, one runs, no third will come";
  world.remove("pods", "default", name_of(first[1]));
  EXPECT_EQ(least(), 1);
}

TEST_F(JobGangTest, AnElasticGangNeedsItsLeast) {
  make_job(R"("parallelism":8)", {{scheduler::kGang, "true"}, {scheduler::kGangMin, "3"}});
  EXPECT_EQ(least(), 3);
  EXPECT_EQ(world.list("pods").size(), 8u);
}

TEST_F(JobGangTest, AGroupOfItsTemplatesOwnIsLeftAlone) {
  make_job(R"("parallelism":2)", {{scheduler::kGangSize, "2"}});
  EXPECT_EQ(groups().size(), 1u);
  world.remove("jobs.batch", "default", "train");
  Json job = parse(R"({"apiVersion":"batch/v1","kind":"Job","metadata":{"namespace":"default","name":"own",
      "annotations":{"factory.ingot.dev/gang":"true"}},"spec":{"parallelism":2,"template":{
      "metadata":{"labels":{"scheduling.x-k8s.io/pod-group":"mine"}},
      "spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}})");
  world.put("jobs.batch", std::move(job));
  EXPECT_TRUE(groups().empty());
}

TEST_F(JobGangTest, WhoAsksForNoGangGetsNone) {
  make_job(R"("parallelism":2)", {{scheduler::kGang, "false"}});
  EXPECT_TRUE(groups().empty());
}

TEST_F(JobGangTest, ItsQueueReachesItsPods) {
  make_job(R"("parallelism":1)", {}, {{scheduler::kQueueLabel, "night"}});
  ASSERT_EQ(world.list("pods").size(), 1u);
  EXPECT_EQ(api::string_at(world.list("pods")[0], {"metadata", "labels", scheduler::kQueueLabel}), "night");
}

TEST_F(JobGangTest, WhomTheSchedulerSentAwayDidNotFail) {
  make_job(R"("parallelism":1,"backoffLimit":0)", {});
  const std::string pod = name_of(world.list("pods")[0]);
  world.change("pods", "default", pod, [](Json& p) {
    api::set(p, {"status", "conditions"},
             JsonArray{JsonObject{
                 {"type", "DisruptionTarget"}, {"status", "True"}, {"reason", "PreemptionByScheduler"}}});
  });
  world.remove("pods", "default", pod, {.grace_s = 0});
  const Json job = world.get("jobs.batch", "default", "train");
  EXPECT_EQ(api::int_at(job, {"status", "failed"}).value_or(0), 0);
  EXPECT_FALSE(true_job_condition(job, "FailureTarget"));
  ASSERT_EQ(world.list("pods").size(), 1u);
  EXPECT_NE(name_of(world.list("pods")[0]), pod) << "made again at once";
}

}  // namespace
}  // namespace ingot::controllers
