#include <gmock/gmock.h>

#include "metering/history.h"
#include "metering/usage.h"
#include "store/reopened_testing.h"

namespace ingot::metering {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::Key;
using namespace std::chrono_literals;

// --- usage ---

WallTime at(Duration d) {
  return WallTime{1'800'000'000s} + std::chrono::duration_cast<std::chrono::microseconds>(d);
}

Entry gpu(std::string tenant, std::string uid, Duration from, Duration to) {
  return {.tenant = tenant,
          .cluster = "c1",
          .ns = "default",
          .pod = "p-" + uid,
          .pod_uid = uid,
          .node = "n1",
          .device = "GPU-0",
          .model = "H100-80GB",
          .from = at(from),
          .to = at(to),
          .simulated = true,
          .currency = "USD",
          .price = 3'600'000};
}
Entry cpu(std::string tenant, std::string uid, Duration from, Duration to) {
  Entry e = gpu(std::move(tenant), std::move(uid), from, to);
  e.device = kCpu;
  e.model.clear();
  e.price = 0;
  e.cpu_milli = 500;
  e.memory_mib = 2'048;
  e.cpu_price = 3'600'000;
  e.memory_price = 3'600'000;
  return e;
}
std::string report_of(const UsageQuery& query, Duration now, std::vector<Entry> entries) {
  Usage usage(query, at(now));
  for (const Entry& e : entries) usage.add(e);
  return api::to_text(usage.report().at("tenants"));
}

TEST(Usage, SumsByTenantAndModel) {
  EXPECT_EQ(
      report_of({}, 1h,
                {gpu("vision", "a", 0s, 10s), gpu("vision", "b", 5s, 10s), cpu("vision", "a", 0s, 10s)}),
      R"([{"tenant":"vision","currency":"USD","gpuSeconds":15,"idleGpuSeconds":0,"cpuSeconds":5,"memoryGiBSeconds":20,)"
      R"("cost":"0.040000","simulated":true,"byModel":{"H100-80GB":{"gpuSeconds":15,"cost":"0.015000"}}}])");
}

TEST(Usage, CountsOnlyThePartInsideTheWindow) {
  const std::vector<Entry> entries = {gpu("vision", "before", 0s, 10s), gpu("vision", "over", 5s, 30s),
                                      gpu("vision", "after", 40s, 50s)};
  const std::string text = report_of({.since = at(20s)}, 45s, entries);
  EXPECT_THAT(text, testing::HasSubstr(R"("gpuSeconds":15,)"));
  EXPECT_THAT(text, testing::HasSubstr(R"("cost":"0.015000")"));
}

TEST(Usage, OneTenantAndItsPods) {
  const std::string text = report_of({.tenant = "speech", .pods = true}, 1h,
                                     {gpu("vision", "a", 0s, 10s), gpu("speech", "b", 0s, 1s)});
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("vision")));
  EXPECT_THAT(text,
              testing::HasSubstr(R"("pods":[{"namespace":"default","pod":"p-b","podUID":"b","node":"n1")"));
}

TEST(Usage, ANameUsedAgainShowsNothingOfItsFormerOwner) {
  Entry former = gpu("vision", "a", 0s, 10s);
  former.cluster = "c0";
  EXPECT_EQ(report_of({.cluster = "c1"}, 1h, {former}), "[]");
  EXPECT_THAT(report_of({}, 1h, {former}), testing::HasSubstr(R"("gpuSeconds":10)"));
}

TEST(Ledger, RowsReadBackAsTheyWereWritten) {
  Entry created = gpu("vision", "a", 5s, 1500ms);
  created.created = at(1s);
  created.models = {"A100-80GB", "H100-80GB"};
  EXPECT_EQ(entry_from(to_json(created))->models, created.models);
  EXPECT_EQ(entry_from(to_json(created))->created, at(1s));
  for (const Entry& e : {created, gpu("vision", "a", 0s, 1500ms), cpu("vision", "a", 0s, 1500ms)}) {
    const auto back = entry_from(to_json(e));
    ASSERT_TRUE(back);
    EXPECT_EQ(api::to_text(to_json(*back)), api::to_text(to_json(e)));
    EXPECT_EQ(back->cost(back->from, back->to), e.cost(e.from, e.to));
  }
  EXPECT_FALSE(entry_from(JsonObject{{"from", "yesterday"}}));
}

// --- the ledger over a shard ---

class LedgerTest : public store::Reopened<Ledger> {
 protected:
  std::unique_ptr<Ledger>& ledger = subject;

  static Key allocation(std::string_view uid) {
    return {kRootCluster, "allocations.factory.ingot.dev", "", uid};
  }
  void price(std::string gpu_hour) {
    put({kRootCluster, "pricelists.factory.ingot.dev", "", "default"},
        JsonObject{{"spec", JsonObject{{"gpuHour", JsonObject{{"default", gpu_hour}}}}}});
  }
  Json open(std::string uid, std::string tenant = "vision") {
    Json a = JsonObject{
        {"metadata", JsonObject{{"name", uid}, {"labels", JsonObject{{"ingot.dev/simulated", "true"}}}}},
        {"spec", JsonObject{{"tenant", tenant},
                            {"cluster", "c1"},
                            {"namespace", "default"},
                            {"pod", "p"},
                            {"node", "n1"},
                            {"devices", JsonArray{JsonObject{{"uuid", "GPU-0"}, {"model", "H100-80GB"}},
                                                  JsonObject{{"uuid", "GPU-1"}, {"model", "H100-80GB"}}}},
                            {"cpuMilli", 2'000},
                            {"memoryBytes", int64_t(1) << 30},
                            {"from", to_rfc3339_micro(f.t.clock.wall())}}},
        {"status", JsonObject{{"phase", "Open"}}}};
    put(allocation(uid), a);
    return a;
  }
  void release(Json a, std::optional<WallTime> to = {}) {
    api::set(a, {"status", "phase"}, "Released");
    if (to) api::set(a, {"status", "to"}, to_rfc3339_micro(*to));
    put(allocation(api::string_at(a, {"metadata", "name"})), a);
  }
  size_t rows() { return f.rows({.stream = "ledger"}).size(); }
  Json usage(UsageQuery query = {}) {
    std::optional<Result<Json>> out;
    EXPECT_TRUE(f.input([&](store::Turn& turn) {
      report(f.t.env, *f.shard, turn, std::move(query), [&](Result<Json> r) { out = std::move(r); });
    }));
    f.t.loop.run_until_idle();
    EXPECT_TRUE(out && *out);
    return out && *out ? **out : Json{};
  }
  // "uid/device" of each row, page by page, with a "+" where it is still held.
  std::vector<std::vector<std::string>> history_pages(HistoryQuery query) {
    std::vector<std::vector<std::string>> pages;
    do {
      std::optional<Result<Json>> out;
      EXPECT_TRUE(f.input([&](store::Turn& turn) {
        history(f.t.env, *f.shard, turn, query, [&](Result<Json> r) { out = std::move(r); });
      }));
      f.t.loop.run_until_idle();
      if (!out || !*out) return {{"failed"}};
      pages.emplace_back();
      for (const Json& row : api::array_at(**out, {"rows"}))
        pages.back().push_back(std::string(api::string_at(row, {"podUID"})) + "/" +
                               std::string(api::string_at(row, {"device"})) +
                               (api::bool_at(row, {"open"}) ? "+" : ""));
      query.next = api::string_at(**out, {"next"});
    } while (!query.next.empty());
    return pages;
  }
  static std::string cost(const Json& report) {
    const JsonArray& tenants = api::array_at(report, {"tenants"});
    return tenants.empty() ? "" : std::string(api::string_at(tenants[0], {"cost"}));
  }
};

// What a share or a MIG instance costs is its part of the GPU, the same part that queues and limits count.
TEST_P(LedgerTest, PartsOfABoardAreBilledInProportion) {
  price("3.6");
  Json a = open("u1");
  api::set(a, {"spec", "cpuMilli"}, 0);
  const auto instance = [](int start, int milli) {
    return JsonObject{{"uuid", "GPU-0"},    {"model", "H100-80GB"}, {"milli", milli},
                      {"memoryMiB", 9'984}, {"profile", "3g.40gb"}, {"start", start}};
  };
  api::set(a, {"spec", "devices"},
           JsonArray{instance(0, 1000), instance(4, 100),
                     JsonObject{{"uuid", "GPU-1"}, {"model", "H100-80GB"}, {"milli", 250}}});
  api::set(a, {"spec", "created"}, "2026-01-02T02:59:00Z");
  api::set(a, {"spec", "models"}, JsonArray{"H100-80GB"});
  put(allocation("u1"), a);
  settle();
  f.t.loop.advance(1000s);
  settle();
  // 0.5 + 0.05 + 0.25 of a GPU for 1,000 s.
  EXPECT_EQ(cost(usage()), "0.800000");
  EXPECT_EQ(api::to_text(*api::find(api::array_at(usage(), {"tenants"})[0], {"gpuSeconds"})), "800");
  release(a, f.t.clock.wall());
  settle();
  const auto stored = f.rows({.stream = "ledger"});
  ASSERT_EQ(stored.size(), 4u);
  EXPECT_EQ(stored[0].row.unique, "u1/GPU-0/3g.40gb@0");
  EXPECT_EQ(stored[1].row.unique, "u1/GPU-0/3g.40gb@4");
  EXPECT_EQ(stored[2].row.unique, "u1/GPU-1");
  EXPECT_THAT(stored[1].row.data,
              testing::HasSubstr(R"("gpuMilli":50,"part":"3g.40gb@4","cost":"0.050000")"));
  for (const auto& s : stored) {
    const Json row = *api::parse_json(s.row.data);
    EXPECT_EQ(api::string_at(row, {"created"}), "2026-01-02T02:59:00Z");
    EXPECT_EQ(api::array_at(row, {"models"}).size(), s.row.unique == "u1/cpu" ? 0u : 1u);
  }
  EXPECT_EQ(cost(usage()), "0.800000") << "read back from the ledger";
}

// Of pods that share a claim one pays at a time: from when it is charged on, and never after it had gone.
TEST_P(LedgerTest, WhatPodsShareIsBilledToWhoIsCharged) {
  price("3.6");
  Json a = open("u1");
  api::set(a, {"spec", "cpuMilli"}, 0);
  const auto device = [](std::string_view uuid) {
    return JsonObject{{"uuid", uuid}, {"model", "H100-80GB"}, {"claimUID", "c"}};
  };
  JsonObject others = device("GPU-0"), mine = device("GPU-1");
  others["charged"] = false;
  f.t.loop.advance(60s);
  mine["from"] = to_rfc3339_micro(f.t.clock.wall());
  api::set(a, {"spec", "devices"}, JsonArray{others, mine});
  put(allocation("u1"), a);
  settle();
  f.t.loop.advance(30s);
  EXPECT_DOUBLE_EQ(ledger->totals(f.t.clock.wall())[0].gpu_seconds, 30);
  EXPECT_EQ(cost(usage()), "0.030000");
  const WallTime to = f.t.clock.wall() + 10s;
  f.t.loop.advance(20s);
  others.erase("charged");
  others["from"] = to_rfc3339_micro(f.t.clock.wall());
  api::set(a, {"spec", "devices"}, JsonArray{others, mine});
  put(allocation("u1"), a);
  release(a, to);
  settle();
  EXPECT_EQ(cost(usage()), "0.040000");
  ASSERT_EQ(rows(), 2u);
  EXPECT_EQ(f.rows({.stream = "ledger"})[0].row.unique, "u1/GPU-1");
}

TEST_P(LedgerTest, AReleasedAllocationBecomesRowsAndGoes) {
  price("3.6");
  const Json a = open("u1");
  settle();
  f.t.loop.advance(10s);
  settle();
  EXPECT_EQ(rows(), 0u);
  EXPECT_EQ(cost(usage()), "0.020000");  // still open: up to now
  release(a, f.t.clock.wall());
  settle();
  f.t.loop.advance(1h);
  settle();
  const auto stored = f.rows({.stream = "ledger"});
  ASSERT_EQ(stored.size(), 3u);
  EXPECT_EQ(stored[0].row.unique, "u1/GPU-0");
  EXPECT_EQ(stored[0].row.cluster, "c1");
  EXPECT_EQ(
      stored[0].row.data,
      R"({"tenant":"vision","cluster":"c1","namespace":"default","pod":"p","podUID":"u1","node":"n1",)"
      R"("device":"GPU-0","from":"2026-01-02T03:00:00.000000Z","to":"2026-01-02T03:00:10.000000Z",)"
      R"("microseconds":10000000,"simulated":true,"currency":"USD","model":"H100-80GB","gpuHour":"3.600000",)"
      R"("cost":"0.010000"})");
  EXPECT_EQ(stored[2].row.unique, "u1/cpu");
  EXPECT_TRUE(f.input([&](store::Turn& turn) { EXPECT_EQ(turn.get(allocation("u1")), nullptr); }));
  EXPECT_EQ(cost(usage()), "0.020000");
}

// What was held and unused is in the GPUs' rows, and in the totals that /metrics shows.
TEST_P(LedgerTest, IdleTimeIsBookedWithTheRest) {
  price("3.6");
  Json a = open("u1");
  settle();
  f.t.loop.advance(10s);
  api::set(a, {"status", "idle"},
           JsonObject{{"seconds", 3}, {"since", to_rfc3339_micro(f.t.clock.wall() - 2s)}});
  put(allocation("u1"), a);
  settle();
  const JsonArray open_now = api::array_at(usage(), {"tenants"});
  EXPECT_EQ(api::int_at(open_now[0], {"idleGpuSeconds"}), 10) << "two GPUs for 3 s and the last 2 s";
  const auto totals = ledger->totals(f.t.clock.wall());
  ASSERT_EQ(totals.size(), 1u);
  EXPECT_EQ(totals[0].tenant, "vision");
  EXPECT_DOUBLE_EQ(totals[0].gpu_seconds, 20);
  EXPECT_DOUBLE_EQ(totals[0].idle_gpu_seconds, 10);
  EXPECT_DOUBLE_EQ(totals[0].cpu_seconds, 20);
  EXPECT_NEAR(totals[0].cost, 0.02, 1e-9);
  release(a, f.t.clock.wall() + 5s);
  settle();
  EXPECT_THAT(f.rows({.stream = "ledger"})[0].row.data, testing::HasSubstr(R"("idleMicroseconds":5000000)"));
  EXPECT_EQ(api::int_at(api::array_at(usage(), {"tenants"})[0], {"idleGpuSeconds"}), 10);
}

TEST_P(LedgerTest, TotalsNeverFall) {
  price("3.6");
  const Json a = open("u1");
  f.t.loop.run_until_idle();
  f.t.loop.advance(10s);
  EXPECT_DOUBLE_EQ(ledger->totals(f.t.clock.wall())[0].gpu_seconds, 20);
  release(a, f.t.clock.wall() - 4s);  // the node says it ended before we looked
  f.t.loop.run_until_idle();
  EXPECT_DOUBLE_EQ(ledger->totals(f.t.clock.wall())[0].gpu_seconds, 20);
}

TEST_P(LedgerTest, NothingCountsTwice) {
  price("3.6");
  const Json a = open("u1");
  f.t.loop.advance(10s);
  release(a, f.t.clock.wall());
  settle();
  release(a, f.t.clock.wall());  // a late report brings the object back
  settle();
  EXPECT_EQ(rows(), 3u);
  EXPECT_EQ(cost(usage()), "0.020000");
}

TEST_P(LedgerTest, NewPricesLeaveOldRowsAlone) {
  price("3.6");
  const Json a = open("u1");
  f.t.loop.advance(10s);
  release(a, f.t.clock.wall());
  settle();
  price("36");
  const Json b = open("u2");
  f.t.loop.advance(10s);
  release(b, f.t.clock.wall());
  settle();
  EXPECT_EQ(cost(usage()), "0.220000");
  EXPECT_EQ(cost(usage({.since = f.t.clock.wall() - 5s})), "0.100000");
}

TEST_P(LedgerTest, ANodesClockCannotBillTheFutureNorThePast) {
  price("3.6");
  const Json a = open("u1"), b = open("u2", "speech");
  f.t.loop.advance(10s);
  release(a, f.t.clock.wall() + 1h);
  release(b, f.t.clock.wall() - 1h);
  settle();
  EXPECT_EQ(cost(usage({.tenant = "vision"})), "0.020000");
  EXPECT_EQ(cost(usage({.tenant = "speech"})), "0.000000");
}

TEST_P(LedgerTest, AFailedCommitIsBookedOnceAfterAll) {
  price("3.6");
  const Json a = open("u1");
  f.t.loop.advance(10s);
  const Revision before = f.shard->stats().durable;
  ASSERT_TRUE(f.shard->submit([&](store::Turn& turn) {
    Json released = a;
    api::set(released, {"status"},
             JsonObject{{"phase", "Released"}, {"to", to_rfc3339_micro(f.t.clock.wall())}});
    (void)turn.put(allocation("u1"), released);
  }));
  while (f.shard->stats().durable == before) ASSERT_TRUE(f.t.loop.step());
  f.t.faults.arm("store.commit.fail");  // the next commit is the ledger's
  f.t.loop.run_until_idle();
  EXPECT_EQ(f.shard->stats().failed_commits, 1u);
  f.t.loop.advance(10s);
  settle();
  EXPECT_EQ(rows(), 3u);
  EXPECT_EQ(cost(usage()), "0.020000");
}

TEST_P(LedgerTest, HistoryIsWhatIsHeldAndThenTheLedger) {
  const Json old = open("u0");
  f.t.loop.advance(10s);
  release(old, f.t.clock.wall());
  settle();
  f.t.loop.advance(1h);
  const Json a = open("u1");
  open("u2", "speech");
  settle();
  f.t.loop.advance(10s);
  release(a, f.t.clock.wall());
  settle();
  using Pages = std::vector<std::vector<std::string>>;
  EXPECT_EQ(history_pages({.since = f.t.clock.wall() - 60s}),
            (Pages{{"u2/GPU-0+", "u2/GPU-1+", "u2/cpu+"}, {"u1/GPU-0", "u1/GPU-1", "u1/cpu"}}));
  const Pages all = history_pages({.cluster = "c1"});
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].size(), 6u);
  EXPECT_EQ(history_pages({.cluster = "c2"}), (Pages{{}, {}})) << "another's";
  Json other = open("u1", "c1");  // its name is c1, its cluster is not
  api::set(other, {"spec", "cluster"}, "c2");
  put(allocation("u1"), other);
  settle();
  EXPECT_EQ(history_pages({.cluster = "c1"})[0].size(), 3u);
  for (const char* wrong : {"booked/", "booked/-1", "booked/99999999999999999999", "x"})
    EXPECT_EQ(history_pages({.next = wrong}), (Pages{{"failed"}})) << wrong;
}

TEST_P(LedgerTest, HistoryComesInPages) {
  constexpr size_t kMany = size_t(kHistoryPage) + 1;
  for (size_t i = 0; i < kMany; ++i) open("u" + std::to_string(10'000 + i));
  settle();
  ASSERT_TRUE(f.input([&](store::Turn& turn) {
    for (size_t i = 0; i < kMany; ++i) {
      const Entry e = gpu("vision", "b" + std::to_string(i), 0s, 1s);
      turn.append({.stream = "ledger",
                   .unique = e.unique(),
                   .cluster = "c1",
                   .at = e.to,
                   .data = api::to_text(to_json(e))});
    }
  }));
  const auto pages = history_pages({});
  ASSERT_EQ(pages.size(), 4u);
  EXPECT_EQ(pages[1], (std::vector<std::string>{"u11000/GPU-0+", "u11000/GPU-1+", "u11000/cpu+"}));
  EXPECT_EQ(pages[2].size(), size_t(kHistoryPage));
  EXPECT_EQ(pages[3], std::vector<std::string>{"b1000/GPU-0"});
}

TEST_P(LedgerTest, ReportsReadTheLedgerPageByPage) {
  ASSERT_TRUE(f.input([&](store::Turn& turn) {
    for (int i = 0; i < 4'500; ++i) {
      const Entry e = gpu("vision", "u" + std::to_string(i), 0s, 1s);
      turn.append({.stream = "ledger",
                   .unique = e.unique(),
                   .cluster = "c1",
                   .at = e.to,
                   .data = api::to_text(to_json(e))});
    }
  }));
  f.t.clock.set_wall(at(1h));
  const Json report = usage();
  EXPECT_EQ(api::int_at(api::array_at(report, {"tenants"})[0], {"gpuSeconds"}), 4'500);
}

INSTANTIATE_TEST_SUITE_P(Runs, LedgerTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "ReopenedBetweenSteps" : "Straight"; });

}  // namespace
}  // namespace ingot::metering
