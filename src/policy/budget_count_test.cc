#include "policy/budget_count.h"

#include <gmock/gmock.h>

#include <random>

namespace ingot::policy {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;

constexpr int64_t kUnit = 1'000'000;
const WallTime kBegin = *parse_rfc3339("2026-07-01T00:00:00Z");
const Span kJuly = span_of(BudgetPeriod::Month, kBegin);

LedgerEntry gpu(WallTime from, WallTime to, int64_t price, int64_t milli = 1000) {
  return {.pod_uid = "u", .device = "GPU-0", .gpu_milli = milli, .from = from, .to = to, .price = price};
}
Holding held(WallTime from, int64_t price, WallTime ends) {
  Holding h = holding_of({gpu(from, from, price)});
  h.ends = ends;
  return h;
}

TEST(BudgetCount, CountsWhatIsHeldToNowAndToItsEnd) {
  BudgetCount count;
  count.start(kJuly, 3 * kUnit);
  count.hold("a", held(kBegin + 1h, 2 * kUnit, kBegin + 3h));
  EXPECT_EQ(count.spent(kBegin + 1h), 3 * kUnit);
  EXPECT_EQ(count.spent(kBegin + 90min), 4 * kUnit);
  EXPECT_EQ(count.foreseen(kBegin + 90min), 7 * kUnit);
  EXPECT_EQ(count.reaches(6 * kUnit, kBegin + 90min), kBegin + 2h + 30min - 900us)
      << "the first moment at which it rounds to that";
  EXPECT_EQ(count.overdue(kBegin + 2h), std::nullopt);
  // It runs on for longer than was expected.
  EXPECT_EQ(count.overdue(kBegin + 3h), "a");
  EXPECT_EQ(count.foreseen(kBegin + 4h), count.spent(kBegin + 4h));
  count.expect("a", kBegin + 5h);
  EXPECT_EQ(count.foreseen(kBegin + 4h), 11 * kUnit);
  count.end("a", kBegin + 4h);
  EXPECT_EQ(count.foreseen(kBegin + 9h), 9 * kUnit);
  EXPECT_EQ(count.rate(), 0);
  EXPECT_EQ(count.reaches(10 * kUnit, kBegin + 9h), std::nullopt);
  count.book(gpu(kBegin + 1h, kBegin + 4h, 2 * kUnit));
  count.settle("a");
  EXPECT_EQ(count.spent(kBegin + 9h), 9 * kUnit);
  EXPECT_EQ(count.size(), 0u);
}

TEST(BudgetCount, APeriodHasItsOwnPart) {
  BudgetCount count;
  count.start(kJuly);
  count.hold("a", held(kJuly.end - 1h, 2 * kUnit, kJuly.end + 3h));
  EXPECT_EQ(count.foreseen(kJuly.end - 1h), 2 * kUnit) << "what comes later is of the next";
  EXPECT_EQ(count.reaches(3 * kUnit, kJuly.end - 1h), std::nullopt);
  EXPECT_EQ(count.spent(kJuly.end), 2 * kUnit);
  count.turn(span_of(BudgetPeriod::Month, kJuly.end));
  EXPECT_EQ(count.spent(kJuly.end + 30min), kUnit);
  EXPECT_EQ(count.foreseen(kJuly.end + 30min), 6 * kUnit);
  count.book(gpu(kJuly.end - 1h, kJuly.end + 1h, 2 * kUnit));
  count.settle("a");
  EXPECT_EQ(count.spent(kJuly.end + 5h), 2 * kUnit);
}

TEST(BudgetCount, IsNeverOverflown) {
  BudgetCount count;
  count.start(kJuly, std::numeric_limits<int64_t>::max() - 1);
  Holding h;
  h.add(kBegin, rate_of(std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::max(), 1000));
  h.ends = WallTime::max();
  for (int i = 0; i < 1'000; ++i) count.hold("u" + std::to_string(i), h);
  EXPECT_EQ(count.spent(kJuly.end), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(count.foreseen(kBegin), std::numeric_limits<int64_t>::max());
}

// Whatever happens in whatever order, what is counted is what one finds who adds up the whole ledger and what is held.
class Random : public testing::TestWithParam<int> {};

TEST_P(Random, CountsEqualASumOverEverything) {
  std::mt19937_64 dice{uint64_t(GetParam())};
  const auto roll = [&](int64_t n) { return int64_t(dice() % uint64_t(n)); };
  const BudgetPeriod period = BudgetPeriod(roll(3));
  std::vector<LedgerEntry> ledger;
  std::map<std::string, std::vector<LedgerEntry>> open, ended;  // ended: not booked yet
  std::map<std::string, WallTime> ends;
  WallTime now = kBegin + microseconds(roll(86'400 * kUnit));
  BudgetCount count;
  count.start(span_of(period, now));
  // As a restart finds it: the sum that was kept, and all that is held.
  const auto restart = [&](Span span, int64_t booked) {
    count.clear();
    for (const auto& [uid, rows] : open) {
      Holding h = holding_of(rows);
      h.ends = ends[uid];
      count.hold(uid, h);
    }
    count.start(span, booked);
    for (const auto& [uid, rows] : ended) {
      Holding h = holding_of(rows);
      h.ends = rows[0].to;
      count.hold(uid, h);
      count.end(uid, rows[0].to);
    }
  };
  for (int step = 0; step < 400; ++step) {
    now += microseconds(roll(roll(20) == 0 ? 3 * 86'400 * kUnit : 3'600 * kUnit));
    if (now >= count.span().end) count.turn(span_of(period, now));
    const std::string uid = "u" + std::to_string(step);
    switch (roll(5)) {
      case 0:
      case 1: {
        LedgerEntry cpu{.device = std::string(kCpu),
                        .from = now,
                        .to = now,
                        .cpu_milli = roll(64'000),
                        .memory_mib = roll(1 << 20),
                        .cpu_price = roll(kUnit),
                        .memory_price = roll(kUnit)};
        LedgerEntry earlier = gpu(now - microseconds(roll(kUnit)), now, roll(30 * kUnit), 1 + roll(8'000));
        open[uid] = {gpu(now, now, roll(30 * kUnit), 1 + roll(8'000)), earlier, cpu};
        Holding h = holding_of(open[uid]);
        h.ends = ends[uid] = now + microseconds(roll(9 * 86'400 * kUnit));
        count.hold(uid, h);
        break;
      }
      case 2:
        if (!open.empty()) {
          auto node = open.extract(std::next(open.begin(), roll(int64_t(open.size()))));
          for (LedgerEntry& row : node.mapped()) row.to = std::max(row.from, now);
          count.end(node.key(), now);
          ended.insert(std::move(node));
        }
        break;
      case 3:
        if (!ended.empty()) {
          const auto node = ended.extract(ended.begin());
          for (const LedgerEntry& row : node.mapped()) {
            ledger.push_back(row);
            count.book(row);
          }
          count.settle(node.key());
        }
        break;
      case 4:
        if (roll(5) == 0) restart(count.span(), count.booked());
    }
    while (const auto late = count.overdue(now)) count.expect(*late, ends[*late] = now + 1h);
    const Span span = count.span();
    int64_t booked = 0, spent = 0, foreseen = 0;
    for (const LedgerEntry& row : ledger) booked += std::max<int64_t>(row.cost(span.begin, span.end), 0);
    ASSERT_EQ(count.booked(), booked) << "step " << step;
    int64_t rows = 0;
    for (const auto* group : {&open, &ended})
      for (const auto& [name, all] : *group)
        for (LedgerEntry row : all) {
          ++rows;
          if (group == &open) row.to = now;
          spent += row.cost(span.begin, span.end);
          if (group == &open) row.to = std::max(row.from, ends[name]);
          foreseen += row.cost(span.begin, span.end);
        }
    // Each row is rounded by itself, twice for CPU and memory; what is held is rounded as one.
    ASSERT_NEAR(double(count.spent(now)), double(booked + spent), double(rows + 1)) << "step " << step;
    ASSERT_NEAR(double(count.foreseen(now)), double(booked + foreseen), double(rows + 1)) << "step " << step;
    for (const int64_t more : {int64_t(1), kUnit, 1'000 * kUnit}) {
      const int64_t amount = count.spent(now) + more;
      const auto then = count.reaches(amount, now);
      if (!then) {
        ASSERT_LT(count.spent(span.end), amount);
        continue;
      }
      ASSERT_GE(count.spent(*then), amount);
      if (*then > now) ASSERT_LT(count.spent(*then - 1us), amount);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, Random, testing::Range(0, 40));

}  // namespace
}  // namespace ingot::policy
