// A factory's rows as a trace, and the trace read back as replay reads it.
#include <gmock/gmock.h>

#include <algorithm>

#include "replay/history.h"
#include "replay/replay.h"

namespace ingot::replay {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using testing::SizeIs;

std::string at(int second) {
  return "2026-01-02T03:00:" + std::to_string(100 + second).substr(1) + ".250000Z";
}
JsonObject row(std::string pod, std::string device, int from, int to) {
  return {{"tenant", "vision"}, {"namespace", "default"}, {"pod", pod},  {"podUID", "uid-" + pod},
          {"device", device},   {"from", at(from)},       {"to", at(to)}};
}
JsonObject gpu(std::string pod, std::string device, int from, int to, int milli = 1000,
               std::string part = "") {
  JsonObject out = row(std::move(pod), std::move(device), from, to);
  if (milli != 1000) out["gpuMilli"] = milli;
  if (!part.empty()) out["part"] = part;
  return out;
}
JsonObject cpu(std::string pod, int from, int to, std::string created = "") {
  JsonObject out = row(std::move(pod), "cpu", from, to);
  out["cpuMilli"] = 2000;
  out["memoryMiB"] = 4096;
  if (!created.empty()) out["created"] = created;
  return out;
}
JsonObject with(JsonObject object, std::string_view name, Json value) {
  object[name] = std::move(value);
  return object;
}

std::string trace_of(const std::vector<Json>& rows) {
  History history;
  for (const Json& one : rows) EXPECT_TRUE(history.add(one)) << api::to_text(one);
  return history.csv();
}
std::vector<TraceJob> read_back(const std::string& text) {
  auto jobs = openb_pods("history.csv", text, nullptr, true);
  EXPECT_TRUE(jobs) << jobs.error();
  return jobs.value_or(std::vector<TraceJob>{});
}

TEST(History, RowsComeBackAsTheJobsTheyWere) {
  const std::string created = "2026-01-02T03:00:05Z";
  std::vector<Json> rows{
      with(gpu("whole", "GPU-0", 10, 30), "created", Json(created)),
      with(gpu("whole", "GPU-1", 10, 30), "created", Json(created)),
      cpu("whole", 10, 30, created),
      gpu("share", "GPU-2", 7, 9, 250),  // of before `created` was kept
      cpu("share", 7, 9),
      with(gpu("mig", "GPU-3", 20, 40, 500, "3g.40gb@0"), "models", JsonArray{"A100-80GB", "H100-80GB"}),
      with(gpu("mig", "GPU-3", 20, 40, 50, "1g.10gb@4"), "models", JsonArray{"A100-80GB", "H100-80GB"}),
      cpu("mig", 20, 40),
      gpu("instances", "GPU-4", 21, 40, 500, "3g.40gb@0"),
      gpu("instances", "GPU-4", 21, 40, 500, "3g.40gb@4"),
      gpu("instances", "GPU-5", 21, 40, 500, "3g.40gb@4"),
      cpu("instances", 21, 40),
      cpu("no-gpu", 22, 23),
  };
  const std::string text = trace_of(rows);
  const auto jobs = read_back(text);
  ASSERT_THAT(jobs, SizeIs(5));
  struct Expected {
    std::string name;
    int gpus, milli;
    double submit_s, run_s;
  };
  // The first job's creation is second 0; "whole" waited 5.25 s.
  const std::vector<Expected> expected{{"whole", 2, 1000, 0, 20},
                                       {"share", 1, 250, 2.25, 2},
                                       {"mig", 1, 550, 15.25, 20},
                                       {"instances", 2, 1000, 16.25, 19},
                                       {"no-gpu", 0, 1000, 17.25, 1}};
  for (size_t i = 0; i < jobs.size(); ++i) {
    SCOPED_TRACE(expected[i].name);
    EXPECT_EQ(jobs[i].name, "vision/default/" + expected[i].name);
    EXPECT_EQ(jobs[i].tenant, "vision");
    EXPECT_EQ(jobs[i].cpu_milli, 2000);
    EXPECT_EQ(jobs[i].memory_mib, 4096);
    EXPECT_EQ(jobs[i].gpus, expected[i].gpus);
    EXPECT_EQ(jobs[i].milli, expected[i].milli);
    EXPECT_DOUBLE_EQ(jobs[i].submit_s, expected[i].submit_s);
    EXPECT_DOUBLE_EQ(jobs[i].run_s, expected[i].run_s);
  }
  EXPECT_THAT(text, testing::HasSubstr("/mig,2000,4096,1,550,A100-80GB|H100-80GB,vision,"));
  const std::vector<TraceNode> nodes{{.name = "n", .gpus = 8, .model = "H100-80GB"}};
  const auto bound = openb_pods("history.csv", text, &nodes, true);
  ASSERT_TRUE(bound) << bound.error();
  EXPECT_THAT((*bound)[2].models, testing::ElementsAre("H100-80GB")) << "no node is of the other";
  std::ranges::reverse(rows);
  EXPECT_EQ(trace_of(rows), text) << "in whichever order they come";
}

// What pods share by a claim is in the rows of one at a time.
TEST(History, ADeviceThatWasChargedLaterMakesNoPodYounger) {
  const auto jobs = read_back(trace_of({gpu("heir", "GPU-0", 20, 30), cpu("heir", 10, 30)}));
  ASSERT_THAT(jobs, SizeIs(1));
  EXPECT_EQ(jobs[0].run_s, 20);
}

TEST(History, WhatIsBookedHoldsOverWhatWasSaidWhileItRan) {
  const std::vector<Json> rows{with(gpu("a", "GPU-0", 0, 10), "open", true),
                               with(cpu("a", 0, 10), "open", true),
                               gpu("a", "GPU-0", 0, 12),
                               cpu("a", 0, 12),
                               with(gpu("b", "GPU-1", 0, 15), "open", true),
                               with(cpu("b", 0, 15), "open", true)};
  const std::string text = trace_of(rows);
  EXPECT_THAT(text, testing::HasSubstr("vision/default/a,2000,4096,1,1000,,vision,,0,12,0\n"));
  EXPECT_THAT(text, testing::HasSubstr("vision/default/b,2000,4096,1,1000,,vision,Running,0,15,0\n"));
  EXPECT_THAT(read_back(text), SizeIs(2));
}

TEST(History, WhatIsNoRowIsRefused) {
  History history;
  EXPECT_FALSE(history.add(JsonObject{}));
  EXPECT_FALSE(history.add(with(cpu("a", 0, 1), "from", "yesterday")));
  EXPECT_EQ(history.jobs(), 0u);
  EXPECT_THAT(read_back(history.csv()), SizeIs(0));
  EXPECT_TRUE(history.add(with(cpu("a", 0, 1), "tenant", "a,\"b\"")));
  EXPECT_EQ(read_back(history.csv())[0].tenant, "a,\"b\"");
}

TEST(History, NodesComeBackAsTheyAreAndReplayRuns) {
  const auto board = [](std::string model) {
    const auto text = [](std::string value) { return JsonObject{{"string", std::move(value)}}; };
    return JsonObject{{"attributes", JsonObject{{"uuid", text("GPU-x")}, {"model", text(model)}}}};
  };
  const auto node = [](std::string name) {
    const JsonObject allocatable{{"cpu", "16"}, {"memory", "64Gi"}};
    return JsonObject{{"metadata", JsonObject{{"name", name}}},
                      {"status", JsonObject{{"allocatable", allocatable}}}};
  };
  const JsonObject instance{{"attributes", JsonObject{{"profile", JsonObject{{"string", "1g.10gb"}}}}}};
  const JsonArray devices{board("T4"), board("H100-80GB"), board("H100-80GB"), instance};
  const std::string text =
      nodes_csv(nodes_from({node("n2"), node("n1")},
                           {JsonObject{{"spec", JsonObject{{"nodeName", "n2"}, {"devices", devices}}}}}));
  EXPECT_EQ(text, "sn,cpu_milli,memory_mib,gpu,model\nn1,16000,65536,0,\nn2,16000,65536,3,H100-80GB\n");
  const auto nodes = openb_nodes("nodes.csv", text);
  ASSERT_TRUE(nodes) << nodes.error();
  const auto jobs =
      openb_pods("history.csv", trace_of({gpu("a", "GPU-0", 0, 10), cpu("a", 0, 10)}), &*nodes, true);
  ASSERT_TRUE(jobs) << jobs.error();
  const auto result = replay(*nodes, *jobs, {});
  ASSERT_TRUE(result) << result.error();
  EXPECT_EQ(result->tenants.at("vision").gpu_s, 10);
}

}  // namespace
}  // namespace ingot::replay
