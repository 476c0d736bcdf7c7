#include "policy/gates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/gates_testing.h"

namespace ingot::policy {
namespace {
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kDigest = R"("security":{"imagesByDigest":true})";
constexpr std::string_view kScan = R"("security":{"scan":{"maxAge":"24h","maxSeverity":"medium"}})";

std::string held(const GateSet& set, const Facts& facts, WallTime now = kNow) {
  const Verdict v = set.judge(facts, now);
  return v.holds() ? v.held_by()->text() : "";
}

TEST(Gates, SayWhyAndTheWayOut) {
  GateSet set;
  put_gate(set, "pinned", kDigest);
  EXPECT_EQ(held(set, GatesWork().facts),
            "gate pinned, rule r: image \"train:1\" of container main is named by a tag, which may be "
            "another image "
            "tomorrow; name it by its digest: docker.io/library/train@" +
                kRun + ", or ask an operator for an exception");
  EXPECT_EQ(held(set, GatesWork("train@" + kRun).facts), "");
  EXPECT_THAT(held(set, GatesWork("other:1").facts), HasSubstr("as docker.io/library/other@sha256:DIGEST"));
}

TEST(Gates, AreForTheirTenantsQueuesAndPipelines) {
  const auto asked = [](std::string_view match, const Facts& facts) {
    GateSet set;
    put_gate(set, "g", kDigest, match);
    EXPECT_LE(set.judge(facts, kNow).gates.size(), set.concerns(facts.tenant, facts.queues) ? 1u : 0u);
    return !set.judge(facts, kNow).gates.empty();
  };
  GatesWork work;
  EXPECT_TRUE(asked("{}", work.facts));
  EXPECT_TRUE(asked(R"({"tenants":["speech","vision"]})", work.facts));
  EXPECT_FALSE(asked(R"({"tenants":["speech"]})", work.facts));
  EXPECT_TRUE(asked(R"({"queues":["research"]})", work.facts)) << "a queue above its own";
  EXPECT_FALSE(asked(R"({"queues":["other"]})", work.facts));
  EXPECT_FALSE(asked(R"({"tenants":["vision"],"queues":["other"]})", work.facts));
  EXPECT_FALSE(asked(R"({"models":["digits"]})", work.facts)) << "of which model a pod is nobody knows";
  EXPECT_TRUE(asked(R"({"pipelines":["train-*"]})", work.facts)) << "it may be of any";
  work.facts.pipeline_known = true;
  work.facts.pipelines = {"nightly"};
  EXPECT_FALSE(asked(R"({"pipelines":["train-*"]})", work.facts));
  work.facts.pipelines.emplace_back("train-digits");
  EXPECT_TRUE(asked(R"({"pipelines":["train-*"]})", work.facts));
}

TEST(Gates, ThatWarnLetThroughAndTell) {
  GateSet set;
  put_gate(set, "pinned", kDigest, "{}", "Warn");
  const Verdict v = set.judge(GatesWork().facts, kNow);
  EXPECT_FALSE(v.holds());
  ASSERT_EQ(v.findings.size(), 1u);
  EXPECT_FALSE(v.findings[0].enforced);
  put_gate(set, "strict", kDigest);
  EXPECT_EQ(set.judge(GatesWork().facts, kNow).held_by()->gate, "strict");
  set.set_gate("strict", nullptr);
  EXPECT_FALSE(set.judge(GatesWork().facts, kNow).holds());
}

TEST(Gates, AnExceptionLiftsOneFindingOfItsTargetUntilItExpires) {
  GateSet set;
  put_gate(set, "a", kDigest);
  put_gate(set, "b", kDigest);
  GatesWork work;
  const auto lifted = [&](std::string_view target, std::string_view rule = "r") {
    put_exception(set, "e", "a", target, kNow + 1h, rule);
    const Verdict v = set.judge(work.facts, kNow);
    EXPECT_TRUE(v.holds()) << "gate b still holds it";
    EXPECT_EQ(v.held_by()->gate, v.findings[0].exception.empty() ? "a" : "b");
    return !v.findings[0].exception.empty();
  };
  EXPECT_TRUE(lifted(R"({"tenant":"vision"})"));
  EXPECT_FALSE(lifted(R"({"tenant":"speech"})"));
  EXPECT_TRUE(lifted(R"({"tenant":"vision","namespace":"n","pod":"p*"})"));
  EXPECT_FALSE(lifted(R"({"tenant":"vision","namespace":"m"})"));
  EXPECT_FALSE(lifted(R"({"tenant":"vision","pod":"q"})"));
  EXPECT_FALSE(lifted(R"({"tenant":"vision","workflow":"*"})")) << "it is of none";
  EXPECT_FALSE(lifted(R"({"tenant":"vision","model":"*"})"));
  EXPECT_FALSE(lifted(R"({"tenant":"vision"})", "other"));
  EXPECT_TRUE(lifted(R"({"tenant":"vision"})", "")) << "every rule of the gate";
  work.facts.workflow = "w-1";
  EXPECT_TRUE(lifted(R"({"tenant":"vision","workflow":"w-*"})"));

  set.set_gate("b", nullptr);
  const Verdict v = set.judge(work.facts, kNow);
  EXPECT_FALSE(v.holds());
  EXPECT_EQ(v.findings[0].exception, "e");
  EXPECT_EQ(v.findings[0].approver, "olga");
  EXPECT_EQ(v.until, kNow + 1h);
  EXPECT_TRUE(set.judge(work.facts, kNow + 1h).holds());
  set.set_exception("e", nullptr);
  EXPECT_TRUE(set.judge(work.facts, kNow).holds());
}

TEST(Gates, OnlyImagesOfTheseRegistries) {
  GateSet set;
  put_gate(set, "g", R"("security":{"registries":["registry.example","docker.io/library/train*"]})");
  EXPECT_EQ(held(set, GatesWork("train:1").facts), "");
  EXPECT_EQ(held(set, GatesWork("registry.example/any/thing:1").facts), "");
  EXPECT_THAT(
      held(set, GatesWork("registry.example.evil.org/a:1").facts),
      HasSubstr(
          "is registry.example.evil.org/a, and only images of registry.example, docker.io/library/train*"));
  EXPECT_NE(held(set, GatesWork("library/other:1").facts), "");
  EXPECT_THAT(held(set, GatesWork("NOT A NAME").facts), HasSubstr("no name that can be read"));
}

TEST(Gates, EveryContainerCounts) {
  GateSet set;
  put_gate(set, "g", R"("security":{"registries":["docker.io/library/train"]})");
  for (const std::string_view list : {"initContainers", "ephemeralContainers"})
    EXPECT_THAT(
        held(set,
             GatesWork("train:1", fmt::format(R"(,"{}":[{{"name":"x","image":"evil/x"}}])", list)).facts),
        HasSubstr("container x is docker.io/evil/x"));
}

TEST(Gates, AnImageNeedsAScanThatIsFreshAndClean) {
  GateSet set;
  put_gate(set, "g", kScan);
  const GatesWork work;
  EXPECT_THAT(held(set, work.facts),
              HasSubstr("has no scan report; scan it, and add the report: `ingot image scan add "
                        "REPORT.json --image train:1`"));
  EXPECT_THAT(held(set, GatesWork("other:1").facts),
              HasSubstr("is not in this factory, so that no scan speaks for it"));
  put_scan(set, "s1", kRun, kNow - 1h, R"({"low":3,"medium":2})");
  const Verdict v = set.judge(work.facts, kNow);
  EXPECT_FALSE(v.holds());
  EXPECT_EQ(v.until, kNow + 23h);
  ASSERT_EQ(v.inputs.size(), 1u);
  EXPECT_EQ(v.inputs[0].uri, "imagescans/s1");
  EXPECT_THAT(held(set, work.facts, kNow + 23h + 1s), HasSubstr("and older than 24h"));
  put_scan(set, "s2", kRun, kNow - 30min, R"({"high":1,"low":3})");
  EXPECT_THAT(held(set, work.facts),
              HasSubstr("has 1 finding of severity high, as CVE-1 in zlib; use an image without "
                        "findings above medium"))
      << "the newest counts";
  put_scan(set, "s2", kRun, kNow - 2h, R"({"high":1})");
  EXPECT_EQ(held(set, work.facts), "");
  set.set_scan("s1", nullptr);
  EXPECT_NE(held(set, work.facts), "");
}

TEST(Gates, PodSecurityIsJudgedAtTheGatesLevel) {
  GateSet set;
  put_gate(set, "g", R"("security":{"podSecurity":"restricted"})");
  EXPECT_THAT(held(set, GatesWork().facts),
              HasSubstr("it violates Pod Security level \"restricted\": allowPrivilege"));
  put_gate(set, "g", R"("security":{"podSecurity":"baseline"})");
  EXPECT_EQ(held(set, GatesWork().facts), "");
  EXPECT_THAT(held(set, GatesWork("train:1", R"(,"hostNetwork":true)").facts), HasSubstr("hostNetwork"));
}

TEST(Gates, DataStayWithinClearanceAndRegion) {
  const auto with = [](std::optional<DatasetFact> fact, Clearance clearance,
                       std::vector<std::string> regions = {}) {
    GatesWork work;
    work.facts.datasets.push_back({"faces", "1", fact});
    work.facts.clearance = clearance;
    work.facts.regions = std::move(regions);
    work.facts.shapes.clear();  // of a pod that goes
    return std::move(work.facts);
  };
  const auto fact = [](Clearance c, std::string region = "") {
    return DatasetFact{.classification = c, .region = std::move(region)};
  };
  GateSet set;
  put_gate(set, "g", R"("privacy":{"clearance":"internal","regions":["eu","ch"]})");
  EXPECT_TRUE(set.privacy());
  using enum Clearance;
  EXPECT_EQ(held(set, GatesWork().facts), "");
  EXPECT_EQ(held(set, with(fact(Internal, "eu"), Restricted)), "");
  EXPECT_EQ(set.judge(with(fact(Internal, "eu"), Restricted), kNow).region, "eu");
  EXPECT_THAT(held(set, with(fact(Confidential, "eu"), Restricted)),
              HasSubstr("is confidential, and this work may use data up to internal"));
  EXPECT_THAT(
      held(set, with(fact(Internal, "eu"), Public)),
      HasSubstr(
          "tenant vision may use data up to public; an operator raises spec.clearance of tenant vision"));
  EXPECT_THAT(held(set, with(fact(Public, "us"), Restricted)),
              HasSubstr("is of region us, and this rule allows only"));
  EXPECT_THAT(held(set, with(fact(Public, ""), Restricted)), HasSubstr("does not say its region"));
  EXPECT_THAT(held(set, with(fact(Public, "ch"), Restricted, {"eu"})),
              HasSubstr("and tenant vision allows only eu"));
  EXPECT_THAT(held(set, with(std::nullopt, Restricted)), HasSubstr("is not known"));
  Facts both = with(fact(Public, "eu"), Restricted);
  both.datasets.push_back({"cats", "1", fact(Public, "ch")});
  EXPECT_THAT(held(set, both), HasSubstr("are of regions ch and eu, and no node is in more than one"));
}

TEST(Gates, MoneyIsJudgedByEstimateAndByBudget) {
  GateSet set;
  put_gate(set, "g", R"("budget":{"maxCost":"10.00","budgets":["july"]})");
  GatesWork work;
  work.facts.currency = "USD";
  EXPECT_THAT(held(set, work.facts), HasSubstr("what it will cost is not known"));
  work.facts.cost_micros = 12'345'678;
  EXPECT_THAT(held(set, work.facts),
              HasSubstr("estimated to cost 12.35 USD, and one piece of work may cost 10.00"));
  work.facts.cost_micros = 10'000'000;
  EXPECT_EQ(held(set, work.facts), "");
  struct Desk : BudgetDesk {
    std::optional<Objection> object(std::string_view budget, const Facts&, WallTime) const override {
      return Objection{fmt::format("budget {} is spent", budget), "wait"};
    }
  } desk;
  set.set_desk(&desk);
  EXPECT_THAT(held(set, work.facts), HasSubstr("budget july is spent; wait"));
}

TEST(Gates, QualityIsJudgedAtPromotion) {
  GateSet set;
  put_gate(
      set, "g",
      R"("quality":{"metrics":[{"name":"accuracy","min":"0.95","noWorseThan":"production","tolerance":"0.01"},
             {"name":"loss","max":"0.5","better":"lower","noWorseThan":"production"}]})",
      R"({"tenants":["vision"],"models":["digits*"]})");
  EXPECT_FALSE(set.concerns("vision", {}));
  const auto judged = [&](std::string_view metrics, std::string_view production = "",
                          std::string model = "digits") {
    Facts facts;
    facts.kind = WorkKind::Promotion;
    facts.tenant = "vision";
    facts.model = std::move(model);
    facts.name = "digits-v4";
    const Verdict v = set.judge_promotion(
        facts, gates_json(metrics).get_object(),
        [&](std::string_view alias) {
          EXPECT_EQ(alias, "production");
          return production.empty() ? std::nullopt : std::optional(gates_json(production).get_object());
        },
        kNow);
    return v.holds() ? v.held_by()->reason : v.gates.empty() ? "not asked" : "";
  };
  EXPECT_EQ(judged(R"({"accuracy":"0.97","loss":0.1})"), "");
  EXPECT_EQ(judged("{}", "", "letters"), "not asked");
  EXPECT_EQ(judged(R"({"loss":"0.1"})"), "the run of digits-v4 logged no metric \"accuracy\"");
  EXPECT_EQ(judged(R"({"accuracy":"0.9","loss":"0.1"})"),
            "accuracy of digits-v4 is 0.9, and must be at least 0.95");
  EXPECT_EQ(judged(R"({"accuracy":"NaN","loss":"0.1"})"), "accuracy of digits-v4 is not a number");
  EXPECT_EQ(judged(R"({"accuracy":"0.97x","loss":"0.1"})"),
            "the run of digits-v4 logged no metric \"accuracy\"");
  EXPECT_EQ(judged(R"({"accuracy":"0.97","loss":"0.6"})"),
            "loss of digits-v4 is 0.6, and must be at most 0.5");
  EXPECT_EQ(
      judged(R"({"accuracy":"0.96","loss":"0.1"})", R"({"accuracy":"0.975","loss":"0.1"})"),
      "accuracy of digits-v4 is 0.96, and must be at least 0.965 (production has 0.975, tolerance 0.01)");
  EXPECT_EQ(judged(R"({"accuracy":"0.97","loss":"0.2"})", R"({"accuracy":"0.975","loss":"0.1"})"),
            "loss of digits-v4 is 0.2, and must be at most 0.1 (as production has)");
  EXPECT_EQ(judged(R"({"accuracy":"0.97","loss":"0.1"})", R"({"accuracy":"0.975"})"), "");
}

TEST(Gates, AVerdictIsBounded) {
  GateSet set;
  for (int i = 0; i < 1'000; ++i) put_gate(set, fmt::format("g{:04}", i), kDigest);
  const Verdict v = set.judge(GatesWork().facts, kNow);
  EXPECT_TRUE(v.holds());
  EXPECT_EQ(v.held_by()->gate, "g0000");
  EXPECT_LE(v.findings.size(), 32u);
}

TEST(Gates, PatternsMatchAsTheyRead) {
  for (const auto& [pattern, text, matches] :
       {std::tuple("a*c", "abbc", true), std::tuple("a*c", "abcd", false), std::tuple("*", "", true),
        std::tuple("", "a", false), std::tuple("**a", "bba", true), std::tuple("a*b*c", "aXbYbZc", true),
        std::tuple("a*b*c", "aXcYb", false), std::tuple("a?c", "abc", false)})
    EXPECT_EQ(matches_pattern(pattern, text), matches) << pattern << " " << text;
  EXPECT_FALSE(
      matches_pattern(std::string(126, '*') + "a" + std::string(126, '*') + "b", std::string(500, 'a')));
}

}  // namespace
}  // namespace ingot::policy
