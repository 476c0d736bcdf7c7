#include "policy/budget.h"

#include <gmock/gmock.h>

#include "policy/prices.h"

namespace ingot::policy {
namespace {

using api::Json;
using testing::HasSubstr;
using testing::Not;

Budget budget(std::string_view spec) {
  const auto object = api::parse_json(R"({"spec":)" + std::string(spec) + "}");
  EXPECT_TRUE(object) << spec;
  return budget_from(*object);
}
constexpr int64_t kUnit = 1'000'000;
WallTime at(std::string_view text) { return *parse_rfc3339(text); }

TEST(Budget, ReadsItsSpec) {
  const Budget b =
      budget(R"({"scope":{"tenants":["vision"],"queues":["night"]},"amount":"500.00","currency":"EUR",
    "period":"week","limits":{"soft":{"at":"80%","action":"LowerPriority"},"hard":{"at":"450.5","action":"Stop"}},
    "assumedRunTime":"2h"})");
  EXPECT_TRUE(b.covers("vision"));
  EXPECT_FALSE(b.covers("speech"));
  EXPECT_THAT(b.queues, testing::ElementsAre("night"));
  EXPECT_EQ(b.amount, 500 * kUnit);
  EXPECT_EQ(b.currency, "EUR");
  EXPECT_EQ(b.period, BudgetPeriod::Week);
  EXPECT_EQ(b.soft, (BudgetLimit{400 * kUnit, BudgetAction::LowerPriority}));
  EXPECT_EQ(b.hard, (BudgetLimit{450'500'000, BudgetAction::Stop}));
  EXPECT_EQ(b.assumed, std::chrono::hours(2));
  EXPECT_EQ(b.holds_at(), 450'500'000);
  EXPECT_EQ(
      budget(R"({"amount":"9000000000","limits":{"soft":{"at":"12.5%","action":"HoldNew"}}})").holds_at(),
      1'125'000'000 * kUnit);
}

TEST(Budget, TextOfWhatCountsIsOthersOnlyWhereTheCountIs) {
  const Budget a = budget(R"({"amount":"1","scope":{"tenants":["a","b"]}})");
  EXPECT_EQ(a.counts(),
            budget(R"({"amount":"2","scope":{"tenants":["b","a"]},"assumedRunTime":"2h"})").counts());
  EXPECT_NE(a.counts(), budget(R"({"amount":"1","scope":{"tenants":["a"],"queues":["b"]}})").counts());
  EXPECT_NE(a.counts(), budget(R"({"amount":"1","scope":{"tenants":["a","b"]},"period":"day"})").counts());
}

TEST(Budget, PeriodsAreOfUtc) {
  const auto span = [](BudgetPeriod period, std::string_view now) {
    const Span s = span_of(period, at(now));
    return to_rfc3339(s.begin) + " " + to_rfc3339(s.end);
  };
  EXPECT_EQ(span(BudgetPeriod::Day, "2026-07-31T23:59:59Z"), "2026-07-31T00:00:00Z 2026-08-01T00:00:00Z");
  EXPECT_EQ(span(BudgetPeriod::Day, "2026-08-01T00:00:00Z"), "2026-08-01T00:00:00Z 2026-08-02T00:00:00Z");
  EXPECT_EQ(span(BudgetPeriod::Week, "2026-08-02T12:00:00Z"), "2026-07-27T00:00:00Z 2026-08-03T00:00:00Z");
  EXPECT_EQ(span(BudgetPeriod::Week, "2026-08-03T00:00:00Z"), "2026-08-03T00:00:00Z 2026-08-10T00:00:00Z");
  EXPECT_EQ(span(BudgetPeriod::Month, "2028-02-29T12:00:00Z"), "2028-02-01T00:00:00Z 2028-03-01T00:00:00Z");
  EXPECT_EQ(span(BudgetPeriod::Month, "2026-12-31T12:00:00Z"), "2026-12-01T00:00:00Z 2027-01-01T00:00:00Z");
  EXPECT_EQ(span(BudgetPeriod::Week, "1969-12-31T12:00:00Z"), "1969-12-29T00:00:00Z 1970-01-05T00:00:00Z");
}

TEST(Budget, LimitsActOnceReachedAndTogether) {
  const Budget b = budget(R"({"amount":"100","limits":{"soft":{"at":"80%","action":"LowerPriority"},
                                                       "hard":{"at":"100%","action":"HoldNew"}}})");
  EXPECT_EQ(standing(b, 80 * kUnit - 1), (Standing{.next = 80 * kUnit}));
  EXPECT_EQ(standing(b, 80 * kUnit),
            (Standing{.phase = BudgetPhase::Soft, .lowers = true, .next = 100 * kUnit}));
  EXPECT_EQ(standing(b, 100 * kUnit), (Standing{.phase = BudgetPhase::Hard, .lowers = true, .holds = true}));
  const Budget stops = budget(R"({"amount":"100","limits":{"hard":{"at":"100%","action":"Stop"}}})");
  EXPECT_EQ(standing(stops, 200 * kUnit),
            (Standing{.phase = BudgetPhase::Hard, .holds = true, .stops = true}));
  EXPECT_EQ(budget(R"({"amount":"1","limits":{"hard":{"at":"100%","action":"Notify"}}})").holds_at(),
            std::nullopt);
  EXPECT_EQ(standing(budget(R"({"amount":"1","limits":{"hard":{"at":"0%","action":"HoldNew"}}})"), 0).holds,
            true);
}

TEST(Budget, HoldsWhatDoesNotFitInWhatIsLeft) {
  const Budget b = budget(R"({"amount":"100","currency":"USD"})");
  Asked a{"july", b, 90 * kUnit, 95 * kUnit, 5 * kUnit, "1 GPU for 1h", at("2026-08-01T00:00:00Z"), true};
  EXPECT_EQ(why_held(a), "");
  a.cost += 1;
  EXPECT_EQ(why_held(a),
            "budget july: spent 90.00 of 100.00 USD until 2026-08-01T00:00:00Z, 5.00 more committed to what "
            "runs, and "
            "this costs up to 5.00 (1 GPU for 1h): wait until 2026-08-01T00:00:00Z, ask an operator for more "
            "(spec.amount of Budget july), or for an exception (GateException with spec.budget july)");
  a.figures = false;
  EXPECT_THAT(why_held(a), Not(HasSubstr("90.00")));
  EXPECT_THAT(why_held(a), Not(HasSubstr("100.00")));
  EXPECT_THAT(why_held(a), HasSubstr("exception"));
  // Once it is reached even what costs nothing waits.
  Asked reached{"july", b, 100 * kUnit, 100 * kUnit, 0, "", at("2026-08-01T00:00:00Z"), true};
  EXPECT_THAT(why_held(reached), HasSubstr("spent 100.00 of 100.00 USD"));
  reached.cost = std::numeric_limits<int64_t>::max();
  reached.spent = reached.foreseen = 0;
  EXPECT_THAT(why_held(reached), HasSubstr("costs up to"));
}

TEST(Prices, AmountsForPeople) {
  EXPECT_EQ(shown_micro(2'000'000), "2.00");
  EXPECT_EQ(shown_micro(2'005'000), "2.01");
  EXPECT_EQ(shown_micro(400), "0.0004");
  EXPECT_EQ(shown_micro(0), "0.00");
  EXPECT_EQ(shown_micro(-1'239'999), "-1.24");
  EXPECT_EQ(shown_micro(-50'000), "-0.05");
  EXPECT_EQ(parse_amount("1000000000000"), 1'000'000'000'000 * kUnit);
  EXPECT_EQ(parse_amount("1000000000001"), std::nullopt);
}

}  // namespace
}  // namespace ingot::policy
