#include "api/validate_testing.h"

namespace ingot::api {
namespace {

class ValidateQueueTest : public ValidateTest {};

TEST_F(ValidateQueueTest, Queues) {
  const auto queue = [&](std::string spec) {
    return wrong(kFactory, "Queue", R"({"metadata":{"name":"research"},"spec":{)" + spec + "}}");
  };
  EXPECT_THAT(wrong(kFactory, "Queue", R"({"metadata":{"name":"research"}})"), IsEmpty());
  EXPECT_THAT(
      queue(
          R"("parent":"lab","tenants":["vision"],"weight":3,"guarantee":{"gpus":4,"gpuModels":{"H100-80GB":2},
            "cpu":"32","memory":"64Gi"},"limit":{"gpus":8,"gpuModels":{"H100-80GB":2},"cpu":64},"halfLife":"24h",
            "minRunTime":"10m")"),
      IsEmpty());
  EXPECT_THAT(queue(R"("parent":"research")"),
              ElementsAre("spec.parent: Invalid value: \"research\": is the queue itself"));
  EXPECT_THAT(queue(R"("weight":0)"),
              ElementsAre("spec.weight: Invalid value: 0: must be greater than or equal to 1"));
  EXPECT_THAT(queue(R"("weight":1000001)"), testing::SizeIs(1));
  EXPECT_THAT(queue(R"("tenants":["a","A","a"])"),
              ElementsAre(StartsWith("spec.tenants[1]: Invalid value: \"A\""),
                          "spec.tenants[2]: Duplicate value: \"a\""));
  EXPECT_THAT(
      queue(R"("guarantee":{"gpus":-1,"gpuModels":{"A100":-2},"cpu":"-1"})"),
      ElementsAre("spec.guarantee.gpus: Invalid value: -1: must be greater than or equal to 0",
                  "spec.guarantee.gpuModels[A100]: Invalid value: -2: must be between 0 and 1000000000",
                  "spec.guarantee.cpu: Invalid value: \"-1\": must be greater than or equal to 0"));
  EXPECT_THAT(
      queue(
          R"("guarantee":{"gpus":9,"gpuModels":{"A":3,"B":1},"memory":"2Gi"},"limit":{"gpus":3,"gpuModels":{"A":2},
            "memory":"1Gi"})"),
      ElementsAre(
          "spec.guarantee.gpus: Invalid value: 9: must be less than or equal to the limit of 3",
          "spec.guarantee.memory: Invalid value: \"2Gi\": must be less than or equal to the limit of 1Gi",
          "spec.guarantee.gpuModels[A]: Invalid value: 3: must be less than or equal to the limit of 2",
          "spec.guarantee.gpuModels: Invalid value: 4: all models together must be less than or equal to "
          "the limit of 3 GPUs"));
  EXPECT_THAT(queue(R"("halfLife":"soon")"),
              ElementsAre("spec.halfLife: Invalid value: \"soon\": must be a duration such as \"30m\" or "
                          "\"24h\", between 60s and 365d"));
  EXPECT_THAT(wrong(kFactory, "Queue", R"({"metadata":{"name":"root"}})"), testing::SizeIs(1));
  EXPECT_THAT(wrong(kFactory, "Queue", R"({"metadata":{"name":"a.b"}})"), testing::SizeIs(1));
}

TEST_F(ValidateQueueTest, Pools) {
  const auto pool = [&](std::string spec) {
    return wrong(kFactory, "Pool", R"({"metadata":{"name":"big"},"spec":{)" + spec + "}}");
  };
  EXPECT_THAT(pool(""), IsEmpty());
  EXPECT_THAT(
      pool(
          R"("dedicated":true,"tenants":["vision"],"slices":false,"replicas":4,"idle":{"after":"30m","reclaim":true})"),
      IsEmpty());
  EXPECT_THAT(pool(R"("tenants":["vision"])"),
              ElementsAre("spec.tenants: Invalid value: [\"vision\"]: everybody may use a pool that is not "
                          "dedicated: set spec.dedicated to true"));
  EXPECT_THAT(pool(R"("replicas":0,"idle":{"reclaim":true})"),
              ElementsAre("spec.replicas: Invalid value: 0: must be greater than or equal to 1",
                          HasSubstr("spec.idle.after: Required value")));
}

TEST_F(ValidateQueueTest, PodGroups) {
  const auto group = [&](std::string spec) {
    return wrong(kGroups, "PodGroup", R"({"metadata":{"name":"train"},"spec":{)" + spec + "}}");
  };
  EXPECT_THAT(group(R"("minMember":4,"minResources":{"nvidia.com/gpu":"4"},"scheduleTimeoutSeconds":60)"),
              IsEmpty());
  EXPECT_THAT(group(""), ElementsAre("spec.minMember: Required value: how many pods must run together"));
  EXPECT_THAT(group(R"("minMember":0)"),
              ElementsAre("spec.minMember: Invalid value: 0: must be greater than or equal to 1"));
  EXPECT_THAT(group(R"("minMember":1025)"),
              ElementsAre("spec.minMember: Invalid value: 1025: must be less than or equal to 1024"));
  EXPECT_THAT(group(R"("minMember":2,"minResources":{"cpu":"-1"})"), testing::SizeIs(1));
}

TEST_F(ValidateQueueTest, GangsOfJobs) {
  const auto gang = [&](std::string annotations, std::string spec) {
    std::string body = job(spec);
    body.insert(body.find(R"("name":"j")"), R"("annotations":{)" + annotations + "},");
    return wrong("batch", "Job", body);
  };
  const std::string on = R"("factory.ingot.dev/gang":)", size = R"("factory.ingot.dev/gang-size":)",
                    least = R"("factory.ingot.dev/gang-min":)";
  EXPECT_THAT(gang(on + R"("true",)" + least + R"("2")", R"("parallelism":4)"), IsEmpty());
  EXPECT_THAT(gang(on + R"("yes")", R"("parallelism":4)"),
              ElementsAre(HasSubstr("supported values: \"true\", \"false\"")));
  EXPECT_THAT(
      gang(least + R"("5")", R"("parallelism":8,"completions":4)"),
      ElementsAre(
          "metadata.annotations[factory.ingot.dev/gang-min]: Invalid value: \"5\": must be less than or "
          "equal to 4, the pods that run at a time (spec.parallelism, spec.completions)"));
  EXPECT_THAT(gang(size + R"("3",)" + least + R"("4")", R"("parallelism":8)"),
              ElementsAre(HasSubstr("must be less than or equal to 3, the size of the gang")));
  EXPECT_THAT(gang(size + R"("0")", R"("parallelism":8)"),
              ElementsAre(HasSubstr("must be a number of pods between 1 and 1024")));
  EXPECT_THAT(gang(on + R"("true")", R"("parallelism":2000)"), ElementsAre(HasSubstr("at most 1024 pods")));
  EXPECT_THAT(gang(on + R"("true",)" + least + R"("64")", R"("parallelism":2000)"), IsEmpty());
}

}  // namespace
}  // namespace ingot::api
