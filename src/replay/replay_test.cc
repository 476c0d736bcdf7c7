// What traces may hold, and what the inflation experiment makes of them.
#include <gmock/gmock.h>

#include <cmath>

#include "replay/change.h"
#include "replay/csv.h"
#include "replay/figures.h"
#include "replay/inflate.h"

namespace ingot::replay {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

constexpr std::string_view kNodes =
    "sn,cpu_milli,memory_mib,gpu,model\nn0,64000,262144,2,T4\r\nn1,96000,393216,8,V100\nc0,64000,262144,0,\n";
constexpr std::string_view kPods =
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n"
    "a,4000,8192,1,460,\nb,8000,8192,2,1000,V100|T4\n\"c,c\",2000,1024,0,0,\n";

std::string nodes_error(std::string_view text) {
  const auto nodes = openb_nodes("n.csv", text);
  return nodes ? "" : nodes.error();
}
std::string pods_error(std::string_view rows) {
  const auto nodes = openb_nodes("n.csv", kNodes);
  const auto pods = openb_pods(
      "p.csv", "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n" + std::string(rows), &*nodes);
  return pods ? "" : pods.error();
}

TEST(Trace, ReadsOpenb) {
  const auto nodes = openb_nodes("n.csv", kNodes);
  ASSERT_TRUE(nodes);
  ASSERT_THAT(*nodes, SizeIs(2)) << "nodes without GPUs are left out";
  EXPECT_EQ((*nodes)[1].gpus, 8);
  const auto pods = openb_pods("p.csv", kPods, &*nodes);
  ASSERT_TRUE(pods) << pods.error();
  ASSERT_THAT(*pods, SizeIs(3));
  EXPECT_EQ((*pods)[0].milli, 460);
  EXPECT_THAT((*pods)[1].models, ElementsAre("V100", "T4"));
  EXPECT_EQ((*pods)[2].name, "c,c");
}

TEST(Trace, ReadsMuri) {
  const auto jobs = muri_jobs("m.csv", "job_id,num_gpu,submit_time,duration\n7,4,1500,2000000\n");
  ASSERT_TRUE(jobs);
  EXPECT_EQ((*jobs)[0].submit_s, 1.5);
  EXPECT_EQ((*jobs)[0].run_s, 2000);
}

TEST(Trace, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(nodes_error(""), "n.csv is empty: it needs a header line");
  EXPECT_EQ(nodes_error("sn,cpu_milli\n"), "n.csv has no column memory_mib; its header is line 1");
  EXPECT_EQ(nodes_error("sn,cpu_milli,memory_mib,gpu,model\nn0,1,1\n"),
            "n.csv, line 2 has 3 cells where the header has 5");
  EXPECT_EQ(nodes_error("sn,cpu_milli,memory_mib,gpu,model\nn0,1,1,99,T4\n"),
            "n.csv, line 2, column gpu: a node has at most 16 GPUs");
  EXPECT_EQ(nodes_error("sn,cpu_milli,memory_mib,gpu,model\nn0,1,1,1,T4\nn0,1,1,1,T4\n"),
            "n.csv, line 3, column sn: a second node of that name");
  EXPECT_EQ(pods_error("a,-1,1,1,1000,\n"), "p.csv, line 2, column cpu_milli: \"-1\" is too small");
  EXPECT_EQ(pods_error("a,x,1,1,1000,\n"), "p.csv, line 2, column cpu_milli: \"x\" is not a number");
  EXPECT_EQ(pods_error("a,1,1,1.5,1000,\n"), "p.csv, line 2, column num_gpu: \"1.5\" is not a whole number");
  EXPECT_EQ(pods_error("a,1,1,1,1001,\n"), "p.csv, line 2, column gpu_milli: must be from 1 to 1000");
  EXPECT_EQ(pods_error("a,1,1,1,1000,H900\n"), "p.csv, line 2, column gpu_spec: no node has the model H900");
  EXPECT_EQ(pods_error("\"a,1,1,1,1000,\n"), "p.csv, line 2: a quote is not closed");
}

TEST(Inflate, IsTheSameForTheSameSeedAndPlacesWhatFits) {
  const auto nodes = openb_nodes("n.csv", kNodes);
  const auto pods = openb_pods("p.csv", kPods, &*nodes);
  for (const auto kind : {scheduler::PlacementCost::Waste, scheduler::PlacementCost::Fgd,
                          scheduler::PlacementCost::BestFit, scheduler::PlacementCost::Random}) {
    const InflateResult a = inflate(*nodes, *pods, 42, {.placement = kind});
    const InflateResult b = inflate(*nodes, *pods, 42, {.placement = kind});
    EXPECT_EQ(a.allocation_pct, b.allocation_pct);
    EXPECT_EQ(a.arrived, b.arrived);
    ASSERT_THAT(a.marks_pct, ElementsAre(100, 120, 130));
    EXPECT_GT(a.allocation_pct.front(), 60);
    EXPECT_LE(a.allocation_pct.back(), 100);
    EXPECT_LE(a.allocation_pct.front(), a.allocation_pct.back());
    EXPECT_GE(a.fragmentation_pct.back(), 0);
  }
  EXPECT_NE(inflate(*nodes, *pods, 1, {}).arrived, 0u);
}

// --- replay ---

// Two nodes of 8; made by hand.
std::vector<TraceJob> jobs_of(const std::string& rows) {
  const auto jobs = muri_jobs("m.csv", "job_id,num_gpu,submit_time,duration\n" + rows);
  return jobs ? *jobs : std::vector<TraceJob>{};
}
constexpr const char* kThree =
    "0,16,0,100000\n"       // a gang over both nodes
    "1,8,10000,50000\n"     // shorter, and comes later
    "2,8,20000,1000000\n";  // fits beside it

ReplayResult played(const std::vector<TraceJob>& jobs, const char* policy, bool known, int64_t gpus = 16) {
  ReplayOptions options;
  options.policy = replay_policy(policy);
  options.known_runtimes = known;
  const auto result = replay(plain_nodes(gpus), jobs, options);
  EXPECT_TRUE(result) << (result ? "" : result.error());
  return result.value_or(ReplayResult{});
}

TEST(Replay, FifoRunsByArrival) {
  const ReplayResult r = played(jobs_of(kThree), "fifo", false);
  EXPECT_EQ(r.jobs[0].end_s, 100);
  EXPECT_EQ(r.jobs[1].start_s, 100);
  EXPECT_EQ(r.jobs[2].end_s, 1100);
  EXPECT_EQ(r.makespan_s, 1100);
  EXPECT_DOUBLE_EQ(r.avg_wait_s, (0 + 90 + 80) / 3.0);
  EXPECT_DOUBLE_EQ(r.utilization, (1600 + 400 + 8000) / (16.0 * 1100));
  EXPECT_EQ(r.preemptions, 0u);
}

TEST(Replay, APreemptionCostsItsJobThirtySeconds) {
  const ReplayResult r = played(jobs_of(kThree), "srsf", true);
  EXPECT_EQ(r.jobs[1].start_s, 10);
  EXPECT_EQ(r.jobs[1].end_s, 60);
  EXPECT_EQ(r.jobs[0].preemptions, 1);
  EXPECT_EQ(r.jobs[0].end_s, 60 + 90 + 30)
      << "at 60 s, when 90 s of its work are left, it takes its nodes back";
  EXPECT_EQ(r.jobs[2].preemptions, 1);
  EXPECT_EQ(r.jobs[2].end_s, 20 + 40 + 120 + (1000 - 40) + 30);
}

TEST(Replay, EveryPolicyEndsEveryJobAndIsTheSameAgain) {
  std::string rows;
  for (int i = 0; i < 120; ++i)
    rows += std::to_string(i) + "," + std::to_string(1 << (i * 7 % 5)) + "," + std::to_string(i * 40'000) +
            "," + std::to_string(1000 + (i * 7919 % 97) * (i % 9 == 0 ? 90'000 : 2'000)) + "\n";
  const std::vector<TraceJob> jobs = jobs_of(rows);
  for (const ReplayPolicy& policy : replay_policies())
    for (const bool known : {false, true}) {
      const ReplayResult a = played(jobs, policy.name.data(), known),
                         b = played(jobs, policy.name.data(), known);
      EXPECT_EQ(a.avg_jct_s, b.avg_jct_s) << policy.name;
      double work = 0;
      for (size_t i = 0; i < jobs.size(); ++i) {
        const JobOutcome& j = a.jobs[i];
        EXPECT_GE(j.start_s, jobs[i].submit_s);
        const double ran = j.end_s - jobs[i].submit_s - j.waited_s;
        EXPECT_GE(ran, jobs[i].run_s - 0.001) << policy.name;
        EXPECT_LE(ran, jobs[i].run_s + 30 * j.preemptions + 0.001) << policy.name;
        work += ran * jobs[i].gpus;
      }
      EXPECT_NEAR(a.utilization, work / (16 * a.makespan_s), 1e-6) << policy.name;
    }
}

// A stream of short work that never leaves room, and one long job that came first.
TEST(Replay, NoJobWaitsBeyondTheBound) {
  constexpr double kDay = 86'400, kBig = 3600;
  std::string rows = "0,8,0," + std::to_string(int64_t(kBig * 1000)) + "\n";
  for (int i = 1; i < 2500; ++i)
    rows += std::to_string(i) + ",8," + std::to_string(i * int64_t(550'000)) + ",600000\n";
  const ReplayResult r = played(jobs_of(rows), "ingot", false, 8);
  const double part = 8.0 / double(scheduler::Elders::kElderParts);
  const double turns = std::ceil((kBig + 30 * r.jobs[0].preemptions) / 3600) * 3600 * 8 / part;
  EXPECT_LE(r.jobs[0].end_s, 7 * kDay + kBig + turns);
  EXPECT_GT(r.jobs[0].end_s, 7 * kDay) << "else nothing was starving it";
  EXPECT_LT(r.jobs[0].end_s, 12 * kDay) << "the stream goes on for 17 days";
  ASSERT_TRUE(r.bound);
  EXPECT_EQ(r.bound->elders, 1u);
  EXPECT_EQ(r.bound->past, 0u);
  EXPECT_GT(r.bound->worst, 0.1) << "it had to wait for what the line saved";
}

TEST(Replay, ReadsJobsOfOpenbWithTheirTimes) {
  const auto nodes = openb_nodes("n.csv", kNodes);
  const std::string header =
      "name,cpu_milli,memory_mib,num_gpu,gpu_milli,qos,creation_time,scheduled_time,deletion_time\n";
  const auto jobs = openb_pods(
      "p.csv", header + "a,1000,1024,1,500,LS,10,20,50\nb,1000,1024,2,1000,BE,15,,\n", &*nodes, true);
  ASSERT_TRUE(jobs) << jobs.error();
  EXPECT_EQ((*jobs)[0].run_s, 30) << "from when it was scheduled";
  EXPECT_EQ((*jobs)[1].run_s, 35) << "to the end of the trace";
  const auto r = replay(*nodes, *jobs, {});
  ASSERT_TRUE(r) << r.error();
  EXPECT_EQ(r->tenants.at("LS").gpu_s, 15);
  EXPECT_EQ(r->tenants.at("BE").worst_share, 1);
}

TEST(Replay, SaysWhatCanNeverRun) {
  const auto error = [](std::string_view rows, bool timed = true) {
    const auto nodes = openb_nodes("n.csv", kNodes);
    const auto jobs = openb_pods("p.csv", std::string(rows), &*nodes, timed);
    if (!jobs) return jobs.error();
    return too_large("p.csv", *nodes, *jobs).value_or("");
  };
  const std::string header =
      "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,creation_time,deletion_time\n";
  EXPECT_EQ(error("name,cpu_milli,memory_mib,num_gpu,gpu_milli\na,1,1,1,1000\n"),
            "p.csv has no column creation_time; its header is line 1");
  EXPECT_EQ(error(header + "a,1,1,1,1000,,9,5\n"),
            "p.csv, line 2, column deletion_time: is before its creation_time");
  EXPECT_EQ(error(header + "a,1,1,1,1000,,-9,5\n"),
            "p.csv, line 2, column creation_time: \"-9\" is too small");
  EXPECT_EQ(error(header + "ok,1,1,1,1000,,0,5\na,1,1,99,1000,,0,5\n"),
            "p.csv, line 3: a asks for 99 GPUs, the cluster has 10");
  EXPECT_EQ(error(header + "a,96000,1,2,1000,T4,0,5\n"),
            "p.csv, line 2: a fits no node, even an empty one: it asks for 2 GPUs, 96000 milli-CPU and 1 MiB "
            "on one");
}

TEST(Change, PutsAWhatIfBesideToday) {
  const Scenario today{.title = "TODAY", .nodes = plain_nodes(16)};
  const ReadFile read = [](const std::string& path) -> std::expected<std::string, std::string> {
    if (path == "n.csv") return std::string(kNodes);
    if (path == "q.yaml")
      return "kind: Queue\nmetadata: {name: a}\nspec: {limit: {gpus: 4}}\n---\nkind: Queue\nmetadata: {name: "
             "b}\n";
    return std::unexpected(path + " cannot be read");
  };
  EXPECT_EQ(changed(today, "nodes+2", read)->nodes.size(), 4u);
  EXPECT_EQ(changed(today, "nodes+2", read)->title, "+2 NODES");
  EXPECT_EQ(changed(today, "nodes=n.csv", read)->nodes.size(), 2u);
  EXPECT_EQ(changed(today, "nodes+n.csv", read)->nodes.size(), 4u);
  EXPECT_EQ(changed(today, "policy=fifo", read)->options.policy->name, "fifo");
  EXPECT_EQ(changed(today, "queue:a.limit=8", read)->options.queues.at(0).limit.gpu_milli, 8000);
  EXPECT_THAT(changed(today, "quotas=q.yaml", read)->options.queues, SizeIs(2));
  for (const auto& [change, error] : std::vector<std::pair<std::string, std::string>>{
           {"policy=best",
            "--and policy=best: the policies are ingot, random, best-fit, fgd, fifo, srtf, srsf, las"},
           {"nodes=x.csv", "--and nodes=x.csv: x.csv cannot be read"},
           {"queue:a.limit=-1", "--and queue:a.limit=-1: \"-1\" is not a number from 0 to 100000"},
           {"queue:a.size=1",
            "--and queue:a.size=1: a queue has a limit and a guarantee in GPUs, and a weight of at least 1"},
           {"gpus=0", "--and gpus=0: a number of GPUs, as in gpus=128"}}) {
    const auto scenario = changed(today, change, read);
    ASSERT_FALSE(scenario) << change;
    EXPECT_EQ(scenario.error(), error);
  }
}

TEST(Figures, TheReportNeedsNothingElseAndEscapesNames) {
  std::vector<TraceJob> jobs = jobs_of(kThree);
  jobs[0].tenant = "<script>";
  std::vector<Outcome> outcomes;
  outcomes.push_back({{.title = "TODAY", .nodes = plain_nodes(16)}, *replay(plain_nodes(16), jobs, {})});
  const std::string page = report_html("three", outcomes);
  EXPECT_EQ(page.find("<script"), page.npos);
  EXPECT_EQ(page.find("http"), page.npos);
  EXPECT_THAT(page, testing::HasSubstr("&lt;script&gt;"));
  size_t plots = 0;
  for (size_t at = 0; (at = page.find("<svg", at)) != page.npos; ++at) ++plots;
  EXPECT_EQ(plots, 4u);
  const api::JsonObject figures = figures_json(outcomes[0].result);
  for (const char* key : {"jobs", "avg_jct_s", "median_jct_s", "p99_jct_s", "avg_wait_s", "max_wait_s",
                          "makespan_s", "utilization", "tenants", "starvation"})
    EXPECT_TRUE(figures.contains(key)) << key;
  EXPECT_EQ(figures.size(), 10u);
  EXPECT_THAT(figures_csv(outcomes, jobs), testing::HasSubstr("TODAY,job-1,all,8,10.000,"));
}

}  // namespace
}  // namespace ingot::replay
