// What traces may hold, and what the inflation experiment makes of them.
#include <gmock/gmock.h>

#include "replay/csv.h"
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

}  // namespace
}  // namespace ingot::replay
