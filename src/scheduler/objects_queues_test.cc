#include "scheduler/objects_queues.h"

#include <gtest/gtest.h>

namespace ingot::scheduler {
namespace {

using namespace std::chrono_literals;

ModelId number(std::string_view model) { return model == "A" ? 1 : 2; }

TEST(QueueObjects, AreReadInTheModelsUnits) {
  const QueueObject read = queue_from(*api::parse_json(R"({"metadata":{"name":"research"},"spec":{
      "parent":"lab","weight":3,"tenants":["vision"],"halfLife":"1d","minRunTime":"10m",
      "guarantee":{"gpus":2,"gpuModels":{"B":1,"A":4},"cpu":"1500m","memory":"1Gi"},
      "limit":{"gpuModels":{"A":4},"cpu":"2"}}})"),
                                      number);
  EXPECT_EQ(read.queue.name, "research");
  EXPECT_EQ(read.queue.parent, "lab");
  EXPECT_EQ(read.queue.weight, 3);
  EXPECT_EQ(read.queue.guarantee.gpu_milli, 5000) << "that of its models together";
  EXPECT_EQ(read.queue.guarantee.of_model(1), 4000);
  EXPECT_EQ(read.queue.guarantee.of_model(2), 1000);
  EXPECT_EQ(read.queue.guarantee.cpu_milli, 1500);
  EXPECT_EQ(read.queue.guarantee.memory_mib, 1024);
  EXPECT_EQ(read.queue.limit.gpu_milli, std::nullopt);
  EXPECT_EQ(read.queue.limit.cpu_milli, 2000);
  EXPECT_EQ(read.queue.limit.memory_mib, std::nullopt);
  EXPECT_EQ(read.queue.limit.models, (std::vector<std::pair<ModelId, int64_t>>{{1, 4000}}));
  EXPECT_EQ(read.queue.half_life, 24h);
  EXPECT_EQ(read.least_run, 10min);
  EXPECT_EQ(read.tenants, std::set<std::string>{"vision"});
}

TEST(QueueObjects, WhatIsAbsentIsTheDefault) {
  const QueueObject read = queue_from(*api::parse_json(R"({"metadata":{"name":"q"}})"), number);
  EXPECT_EQ(read, (QueueObject{.queue = {.name = "q"}}));
  const Pool pool = pool_from(*api::parse_json(R"({"metadata":{"name":"p"},"spec":{"tenants":["a"]}})"));
  EXPECT_EQ(pool, (Pool{.name = "p", .tenants = {"a"}}));
}

TEST(QueueObjects, NumbersThatNobodyCheckedStayInBounds) {
  const QueueObject read = queue_from(*api::parse_json(R"({"metadata":{"name":"q"},"spec":{"weight":-4,
      "guarantee":{"gpus":9223372036854775807,"gpuModels":{"A":9223372036854775807}},"limit":{"gpus":-1}}})"),
                                      number);
  EXPECT_EQ(read.queue.weight, 1);
  EXPECT_EQ(read.queue.guarantee.gpu_milli, 1'000'000'000'000);
  EXPECT_EQ(read.queue.limit.gpu_milli, 0);
}

}  // namespace
}  // namespace ingot::scheduler
