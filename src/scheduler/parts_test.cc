// Pods with devices of several kinds, with devices that lie together or apart, and with choices: through whole passes.
#include "scheduler/parts.h"

#include <gmock/gmock.h>

#include <random>
#include <set>

#include "scheduler/explain.h"
#include "scheduler/schedule.h"

namespace ingot::scheduler {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};
constexpr int64_t kGi = int64_t(1) << 30;

// Two NUMA nodes of half of its boards each; NVLink joins them in pairs.
Node node(std::string name, int gpus, std::string model = "H100-80GB") {
  Node n{.name = name, .cpu_milli = 64'000, .memory_bytes = 512 * kGi, .pods = 110, .ready = true};
  n.links.boards = gpus;
  for (int i = 0; i < gpus; ++i) {
    n.devices.push_back({"GPU-" + name + "-" + std::to_string(i), model, true, 81'559});
    n.links.numa[size_t(i)] = int8_t(i < gpus / 2 ? 0 : 1);
    if ((i ^ 1) < gpus) n.links.peers[size_t(i)] = gpu::BoardMask(1u << (i ^ 1));
  }
  return n;
}

Request parts(std::vector<Part> all, std::vector<Rule> rules = {}) {
  Request r{.cpu_milli = 100, .memory_bytes = kGi, .parts = std::move(all), .rules = std::move(rules)};
  for (const Part& p : r.parts) r.gpus += p.count;
  return r;
}
Request whole(int64_t n) { return {.cpu_milli = 100, .memory_bytes = kGi, .gpus = n}; }
Request slices(std::string profile, int64_t n = 1) {
  return {.cpu_milli = 100, .memory_bytes = kGi, .gpus = n, .profile = std::move(profile)};
}
Rule together(uint64_t of, Side side) { return {of, side, false}; }
Rule apart(uint64_t of, Side side) { return {of, side, true}; }

struct PartsTest : testing::Test {
  Model model;
  Policy policy;

  std::vector<std::string> ask(std::string id, Request request, std::vector<Request> otherwise = {}) {
    model.set_unit({.id = id,
                    .tenant = "vision",
                    .created = kNow,
                    .pods = {{id, std::move(request), std::move(otherwise)}}});
    return pass(id);
  }
  std::vector<std::string> pass(const std::string& id) {
    const Placements p = schedule(model, policy, kNow);
    std::vector<std::string> out;
    for (const Binding& b : p.bindings)
      if (b.unit == id) {
        choice = b.choice;
        for (const Held& h : b.devices)
          out.push_back(h.profile.empty() ? h.uuid
                                          : h.uuid + "/" + h.profile + "@" + std::to_string(h.start));
      }
    for (const Waiting& w : p.waiting)
      if (w.unit == id) out.push_back(*w.reason);
    return out;
  }
  size_t choice = 0;
};

TEST_F(PartsTest, WholeGpusAndInstancesForOnePod) {
  model.set_node(node("n", 4));
  EXPECT_THAT(ask("a", parts({{1, "3g.40gb"}, {2, ""}, {1, "1g.10gb"}})),
              ElementsAre("GPU-n-2/3g.40gb@4", "GPU-n-0", "GPU-n-1", "GPU-n-2/1g.10gb@0"));
  EXPECT_EQ(model.allocation("a")->devices[0].memory_mib, 40'448);
  EXPECT_EQ(model.queues().usage("~vision").gpu_milli, 2000 + 500 + 125);
  EXPECT_THAT(ask("b", parts({{2, ""}, {1, "1g.10gb"}})),
              ElementsAre("0 of 1 set of 2 GPUs and 1 MIG 1g.10gb free in pool default, needs 1"));
  EXPECT_THAT(ask("c", parts({{4, ""}, {1, "1g.10gb"}})),
              ElementsAre("needs 1 set of 4 GPUs and 1 MIG 1g.10gb on one node; the largest node has 0"));
  model.close("a");
  EXPECT_THAT(pass("b"), ElementsAre("GPU-n-0", "GPU-n-1", "GPU-n-2/1g.10gb@0"));
}

TEST_F(PartsTest, InstancesOfOneBoard) {
  model.set_node(node("n", 2));
  ASSERT_EQ(ask("taken", slices("4g.40gb")).size(), 1u);
  // The rest of the board that is cut is not enough for all of them.
  EXPECT_THAT(ask("a", parts({{1, "2g.20gb"}, {2, "1g.20gb"}}, {together(3, Side::Board)})),
              ElementsAre(HasSubstr("GPU-n-1/2g.20gb@"), HasSubstr("GPU-n-1/1g.20gb@"),
                          HasSubstr("GPU-n-1/1g.20gb@")));
  EXPECT_THAT(ask("b", parts({{2, "1g.20gb"}}, {together(1, Side::Board)})),
              ElementsAre("GPU-n-0/1g.20gb@6", "GPU-n-0/1g.20gb@4"));
  EXPECT_THAT(ask("c", parts({{1, "7g.80gb"}, {1, "1g.10gb"}}, {together(3, Side::Board)})),
              ElementsAre(HasSubstr("set of 1 MIG 7g.80gb and 1 MIG 1g.10gb on one board on one node; the "
                                    "largest node has 0")));
}

TEST_F(PartsTest, InstancesOfSeveralBoards) {
  model.set_node(node("n", 2));
  EXPECT_THAT(ask("a", parts({{2, "1g.10gb"}}, {apart(1, Side::Board)})),
              ElementsAre(HasSubstr("GPU-n-0/1g.10gb"), HasSubstr("GPU-n-1/1g.10gb")));
  EXPECT_THAT(ask("b", parts({{3, "1g.10gb"}}, {apart(1, Side::Board)})),
              ElementsAre(HasSubstr("no two on one board on one node; the largest node has 0")));
}

TEST_F(PartsTest, GpusOfOneNumaNode) {
  model.set_node(node("n", 8));
  for (const char* id : {"x", "y"}) ASSERT_EQ(ask(id, whole(1)).size(), 1u);
  // Two are left in one island of the first NUMA node; three only in the second.
  EXPECT_THAT(ask("a", parts({{3, ""}}, {together(1, Side::Numa)})),
              ElementsAre("GPU-n-4", "GPU-n-5", "GPU-n-6"));
  EXPECT_THAT(ask("b", parts({{2, ""}}, {together(1, Side::Numa)})), ElementsAre("GPU-n-2", "GPU-n-3"));
  EXPECT_THAT(ask("c", parts({{2, ""}}, {together(1, Side::Numa)})),
              ElementsAre("0 of 1 set of 2 GPUs on one NUMA node free in pool default, needs 1"));
}

TEST_F(PartsTest, OneOfEachNumaNode) {
  model.set_node(node("n", 4));
  EXPECT_THAT(ask("a", parts({{2, ""}}, {apart(1, Side::Numa)})), ElementsAre("GPU-n-0", "GPU-n-2"));
  Node unknown = node("n", 4);
  unknown.links = {};
  model.set_node(unknown);
  EXPECT_THAT(ask("b", parts({{2, ""}}, {apart(1, Side::Numa)})),
              ElementsAre(HasSubstr("largest node has 0")));
}

TEST_F(PartsTest, AGpuBesideAnInstanceOnItsNumaNode) {
  model.set_node(node("n", 4));
  ASSERT_THAT(ask("x", whole(1)), ElementsAre("GPU-n-0"));
  ASSERT_THAT(ask("y", slices("3g.40gb")), ElementsAre(HasSubstr("GPU-n-1")));
  EXPECT_THAT(ask("a", parts({{1, ""}, {1, "1g.10gb"}}, {together(3, Side::Numa)})),
              ElementsAre("GPU-n-2", HasSubstr("GPU-n-3/1g.10gb")))
      << "the board that is cut has no whole one beside it";
}

TEST_F(PartsTest, AllOfANode) {
  model.set_node(node("large", 4));
  model.set_node(node("small", 2));
  Request all = whole(2);
  all.all_of_node = true;
  EXPECT_THAT(ask("a", all), ElementsAre("GPU-small-0", "GPU-small-1"));
  EXPECT_THAT(ask("b", all), ElementsAre("0 of 2 GPUs free in pool default, needs 2"));
  all.gpus = 3;
  EXPECT_THAT(ask("c", all), ElementsAre("no node that matches has 3 GPUs in all"));
}

TEST_F(PartsTest, TheFirstChoiceThatFits) {
  model.set_node(node("n", 4));
  ASSERT_EQ(ask("x", whole(2)).size(), 2u);
  EXPECT_THAT(ask("a", whole(3), {whole(2), slices("3g.40gb")}), ElementsAre("GPU-n-2", "GPU-n-3"));
  EXPECT_EQ(choice, 1u);
  EXPECT_THAT(ask("b", whole(2), {whole(1), slices("3g.40gb")}),
              ElementsAre("0 of 4 GPUs free in pool default, needs 2"));
  model.close("x");
  EXPECT_THAT(pass("b"), ElementsAre("GPU-n-0", "GPU-n-1"));
  EXPECT_EQ(choice, 0u);
}

TEST_F(PartsTest, TheFirstChoiceWithinItsLimit) {
  model.set_node(node("n", 4));
  model.set_tenant({.id = "vision", .name = "vision", .gpu_limit = 1});
  EXPECT_THAT(ask("a", whole(2), {slices("3g.40gb")}), ElementsAre(HasSubstr("/3g.40gb")));
  EXPECT_EQ(choice, 1u);
  EXPECT_THAT(ask("b", whole(2), {whole(1)}), ElementsAre("tenant vision may hold 1 GPU at most, needs 2"));
}

TEST_F(PartsTest, AGangHasOneChoice) {
  model.set_node(node("n", 4));
  ASSERT_EQ(ask("x", whole(1)).size(), 1u);
  Unit gang{.id = "g", .tenant = "vision", .created = kNow};
  for (const char* uid : {"g0", "g1"}) gang.pods.push_back({uid, whole(2), {slices("3g.40gb")}});
  model.set_unit(gang);
  const Placements p = schedule(model, policy, kNow);
  ASSERT_EQ(p.bindings.size(), 2u);
  for (const Binding& b : p.bindings) {
    EXPECT_EQ(b.choice, 1u);
    EXPECT_EQ(b.devices.at(0).profile, "3g.40gb");
  }
}

// What a node holds when it makes room for one that waits, for what it prefers alone.
TEST_F(PartsTest, RoomIsMadeForTheFirstChoice) {
  model.set_node(node("n", 2));
  Unit low{.id = "low", .tenant = "vision", .priority = -1, .created = kNow, .pods = {{"low", whole(2)}}};
  model.set_unit(low);
  schedule(model, policy, kNow);
  ASSERT_TRUE(model.allocation("low"));
  model.set_unit({.id = "a",
                  .tenant = "vision",
                  .created = kNow,
                  .pods = {{"a", parts({{1, ""}, {1, "3g.40gb"}}), {whole(2)}}}});
  const Placements p = schedule(model, policy, kNow);
  ASSERT_EQ(p.evictions.size(), 1u);
  model.close("low");
  EXPECT_THAT(pass("a"), ElementsAre("GPU-n-0", HasSubstr("GPU-n-1/3g.40gb")));
}

// Random requests on random nodes: every rule holds, no device is given twice, and what an empty node held fits it again.
TEST(PartsProperties, RulesHold) {
  std::mt19937_64 random(11);
  const auto below = [&](int64_t n) { return int64_t(random() % uint64_t(n)); };
  static constexpr const char* kProfiles[] = {"", "1g.10gb", "2g.20gb", "3g.40gb", "1g.20gb", "1g.10gb+me"};
  size_t placed = 0, ruled = 0;
  Model model;
  std::map<std::string, Request> asked;
  for (int i = 0; i < 4; ++i) model.set_node(node("n" + std::to_string(i), 2 << (i % 3)));
  for (int step = 0; step < 3'000; ++step) {
    if (below(2) && !model.allocations().empty())
      model.close(std::string(
          std::next(model.allocations().begin(), below(int64_t(model.allocations().size())))->first));
    std::vector<Part> all;
    for (int64_t i = 1 + below(3); i > 0; --i) all.push_back({1 + below(3), kProfiles[below(6)]});
    std::vector<Rule> rules;
    for (int64_t i = below(3); i > 0; --i)
      rules.push_back({uint64_t(1 + below((1 << all.size()) - 1)), Side(below(3)), below(3) == 0});
    const std::string id = "p" + std::to_string(step);
    asked[id] = parts(all, rules);
    model.set_unit({.id = id, .tenant = "vision", .created = kNow, .pods = {{id, asked[id]}}});
    const Placements p = schedule(model, {}, kNow);
    std::map<std::string, std::vector<gpu::Instance>> cut;
    std::map<std::string, int> wholes;
    for (const auto& [uid, a] : model.allocations())
      for (const Held& h : a.devices)
        h.profile.empty() ? void(++wholes[h.uuid])
                          : cut[h.uuid].push_back({gpu::find_profile(h.model, h.profile), h.start});
    for (const auto& [board, n] : wholes) ASSERT_TRUE(n == 1 && !cut.contains(board)) << board;
    for (const auto& [board, layout] : cut) ASSERT_TRUE(gpu::legal("H100-80GB", layout)) << board;
    for (const Binding& b : p.bindings) {
      ++placed;
      const Request& r = asked.at(b.pod);
      const gpu::Islands islands(model.node(b.node)->links);
      ASSERT_EQ(int64_t(b.devices.size()), r.gpus);
      const auto board = [&](const Held& h) {
        const auto& devices = model.node(b.node)->devices;
        return int(std::ranges::find(devices, h.uuid, &Device::uuid) - devices.begin());
      };
      for (const Rule& rule : r.rules) {
        ++ruled;
        std::vector<int> sides;
        size_t at = 0;
        for (size_t part = 0; part < r.parts.size(); ++part)
          for (int64_t i = 0; i < r.parts[part].count; ++i, ++at) {
            EXPECT_EQ(b.devices[at].profile, r.parts[part].profile);
            if (!(rule.parts >> part & 1)) continue;
            const int n = board(b.devices[at]);
            sides.push_back(rule.side == Side::Board  ? n
                            : rule.side == Side::Numa ? int(model.node(b.node)->links.numa[size_t(n)])
                                                      : islands.island_of(n));
          }
        const std::set<int> distinct(sides.begin(), sides.end());
        ASSERT_EQ(distinct.size(), rule.apart ? sides.size() : 1u) << devices_text(r);
      }
    }
    for (const Waiting& w : p.waiting) model.erase_unit(w.unit);
  }
  EXPECT_GT(placed, 1'000u);
  EXPECT_GT(ruled, 500u);
}

}  // namespace
}  // namespace ingot::scheduler
