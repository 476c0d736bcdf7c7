#include "workflow/cron.h"

#include <gmock/gmock.h>

#include "workflow/testing.h"

namespace ingot::workflow {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::string_view kNightly = R"(
metadata: {name: nightly, namespace: default, uid: u1, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  schedules: ["0 * * * *"]
  workflowSpec: {entrypoint: main}
)";

WallTime time(std::string_view text) { return parse_rfc3339(text).value(); }
WallTime at(std::string_view clock) { return time("2026-01-02T" + std::string(clock) + "Z"); }

// A CronWorkflow and who drives it: what it starts becomes a child.
struct Keeper {
  Json cron;
  std::vector<CronChild> children;
  WallTime since = at("00:30:00");
  std::vector<std::string> terminated;

  explicit Keeper(std::string_view more = "") : cron(yaml(kNightly)) {
    if (more.empty()) return;
    const Json fields = yaml(more);
    for (const auto& [name, value] : fields.get_object()) cron.at("spec").get_object()[name] = value;
  }
  // The times of what was started.
  std::vector<std::string> look(std::string_view clock) {
    std::vector<std::string> started;
    while (true) {
      const CronPlan plan = decide(cron, children, since, at(clock));
      for (const std::string& name : plan.terminate) {
        terminated.push_back(name);
        end(name, "Failed", clock);
      }
      for (const std::string& name : plan.erase)
        std::erase_if(children, [&](const CronChild& c) { return c.name == name; });
      if (plan.decided && !plan.start) since = std::max(since, *plan.decided);
      if (plan.start) {
        started.push_back(to_rfc3339(*plan.start).substr(11, 8));
        Json child = child_of(cron, *plan.start);
        const std::string name = child_name(cron, *plan.start);
        api::set(child, {"metadata", "name"}, name);
        api::set(child, {"metadata", "uid"}, "uid-of-" + name);
        children.push_back({name, "uid-of-" + name, "7", "Running"});
        note_started(cron, child, *plan.start);
      }
      if (!plan.wake || *plan.wake > at(clock)) return started;
    }
  }
  void end(std::string_view name, std::string_view phase, std::string_view clock) {
    for (CronChild& c : children)
      if (c.name == name) {
        c.phase = phase;
        c.finished = at(clock);
      }
  }
  void end_all(std::string_view phase, std::string_view clock) {
    for (CronChild& c : children)
      if (c.phase == "Running") end(c.name, phase, clock);
  }
  size_t active() const { return api::array_at(cron, {"status", "active"}).size(); }
  std::string condition(std::string_view type) const {
    for (const Json& c : api::array_at(cron, {"status", "conditions"}))
      if (api::string_at(c, {"type"}) == type) return std::string(api::string_at(c, {"message"}));
    return "";
  }
  int64_t number(std::string_view field) const { return api::int_at(cron, {"status", field}).value_or(0); }
};

TEST(Cron, StartsAChildForEachTime) {
  Keeper k;
  EXPECT_THAT(k.look("00:59:59"), IsEmpty());
  EXPECT_THAT(k.look("01:00:00"), ElementsAre("01:00:00"));
  EXPECT_THAT(k.look("01:00:01"), IsEmpty());
  EXPECT_THAT(k.look("02:00:00"), ElementsAre("02:00:00"));
  EXPECT_EQ(k.children[0].name, "nightly-1767315600");
  EXPECT_EQ(api::string_at(k.cron, {"status", "lastScheduledTime"}), "2026-01-02T02:00:00Z");
  EXPECT_EQ(api::string_at(k.cron, {"status", "phase"}), "Active");
  EXPECT_EQ(k.active(), 2u);
}

TEST(Cron, AsksToBeAskedWhenTheNextIsDue) {
  Keeper k("schedules: ['0 * * * *', '20,40 * * * *']");
  EXPECT_EQ(decide(k.cron, {}, k.since, at("00:45:00")).start, at("00:40:00"));
  EXPECT_EQ(decide(k.cron, {}, at("00:40:00"), at("00:45:00")).wake, at("01:00:00"));
}

TEST(Cron, TwoSchedulesOfOneTimeAreOneChild) {
  Keeper k("schedules: ['0 * * * *', '*/30 * * * *']");
  EXPECT_THAT(k.look("01:00:00"), ElementsAre("01:00:00"));
  EXPECT_THAT(k.look("01:45:00"), ElementsAre("01:30:00"));
}

TEST(Cron, WhoIsHeldUpStartsTheLastOfEachSchedule) {
  Keeper k("schedules: ['0 * * * *', '10 * * * *']");
  EXPECT_THAT(k.look("05:30:00"), ElementsAre("05:00:00", "05:10:00"));
}

TEST(Cron, WhatWasMissedIsNotMadeUpForUnlessADeadlineAllowsIt) {
  for (const auto& [deadline, started] : {std::pair("null", ""), {"600", ""}, {"1801", "03:00:00"}}) {
    Keeper k("startingDeadlineSeconds: " + std::string(deadline));
    EXPECT_THAT(k.look("01:00:00"), ElementsAre("01:00:00"));
    k.since = at("03:30:00");  // down in between
    const auto found = k.look("03:30:00");
    EXPECT_EQ(found.empty() ? "" : found[0], started) << deadline;
    EXPECT_LE(found.size(), 1u);
    EXPECT_THAT(k.look("04:00:00"), ElementsAre("04:00:00"));
  }
}

TEST(Cron, OneThatNeverRanMissedNothing) {
  Keeper k("startingDeadlineSeconds: 86400");
  EXPECT_THAT(k.look("00:45:00"), IsEmpty());
}

TEST(Cron, ANewScheduleMissedNothing) {
  Keeper k("startingDeadlineSeconds: 86400");
  EXPECT_THAT(k.look("01:00:00"), ElementsAre("01:00:00"));
  k.cron.at("spec").at("schedules") = JsonArray{"*/10 * * * *"};
  k.since = at("01:45:00");
  EXPECT_THAT(k.look("01:45:00"), IsEmpty());
  EXPECT_THAT(k.look("01:50:00"), ElementsAre("01:50:00"));
}

TEST(Cron, SuspendedNothingStarts) {
  Keeper k("suspend: true");
  EXPECT_THAT(k.look("01:00:00"), IsEmpty());
  k.cron.at("spec").at("suspend") = false;
  EXPECT_THAT(k.look("01:30:00"), IsEmpty());
  EXPECT_THAT(k.look("02:00:00"), ElementsAre("02:00:00"));
}

TEST(Cron, ForbidWaitsForWhatRuns) {
  Keeper k("concurrencyPolicy: Forbid");
  EXPECT_THAT(k.look("01:00:00"), ElementsAre("01:00:00"));
  EXPECT_THAT(k.look("02:00:00"), IsEmpty());
  k.end_all("Succeeded", "02:30:00");
  EXPECT_THAT(k.look("02:30:00"), IsEmpty());
  EXPECT_THAT(k.look("03:00:00"), ElementsAre("03:00:00"));
}

TEST(Cron, ReplaceTerminatesWhatRuns) {
  Keeper k("concurrencyPolicy: Replace");
  k.look("01:00:00");
  EXPECT_THAT(k.look("02:00:00"), ElementsAre("02:00:00"));
  EXPECT_THAT(k.terminated, ElementsAre("nightly-1767315600"));
  EXPECT_EQ(k.active(), 1u);
}

TEST(Cron, CountsHowItsChildrenEnd) {
  Keeper k;
  k.look("01:00:00");
  k.end_all("Succeeded", "01:10:00");
  k.look("02:00:00");
  k.end_all("Failed", "02:10:00");
  k.look("03:00:00");
  k.end_all("Error", "03:10:00");
  k.look("03:10:00");
  k.look("03:11:00");
  EXPECT_EQ(k.number("succeeded"), 1);
  EXPECT_EQ(k.number("failed"), 2);
  EXPECT_EQ(k.active(), 0u);
}

TEST(Cron, AChildThatSomebodyDeletedIsActiveNoMore) {
  Keeper k;
  k.look("01:00:00");
  k.children.clear();
  k.look("01:05:00");
  EXPECT_EQ(k.active(), 0u);
  EXPECT_EQ(k.number("failed"), 0);
}

TEST(Cron, KeepsAsManyAsItIsTold) {
  Keeper k("successfulJobsHistoryLimit: 2\nfailedJobsHistoryLimit: 0");
  for (const char* clock : {"01", "02", "03", "04"}) {
    k.look(std::string(clock) + ":00:00");
    k.end_all(std::string_view(clock) == "02" ? "Failed" : "Succeeded", std::string(clock) + ":10:00");
  }
  k.look("04:20:00");
  ASSERT_EQ(k.children.size(), 2u);
  EXPECT_EQ(k.children[0].name, child_name(k.cron, at("03:00:00")));
  EXPECT_EQ(k.number("succeeded"), 3);
  EXPECT_EQ(k.number("failed"), 1);
}

TEST(Cron, WhenDecidesEachTime) {
  Keeper k("when: '{{cronworkflow.failed}} < 1'");
  k.look("01:00:00");
  k.end_all("Failed", "01:10:00");
  EXPECT_THAT(k.look("02:00:00"), IsEmpty());
  Keeper first("when: '{{=cronworkflow.lastScheduledTime == nil}}'");
  EXPECT_THAT(first.look("01:00:00"), ElementsAre("01:00:00"));
  EXPECT_THAT(first.look("02:00:00"), IsEmpty());
}

TEST(Cron, AWhenThatMeansNothingIsSaidOnceATime) {
  Keeper k("when: '{{cronworkflow.moon}}'");
  EXPECT_THAT(k.look("01:00:00"), IsEmpty());
  EXPECT_THAT(k.condition("SubmissionError"), testing::StartsWith("run policy error: "));
  EXPECT_EQ(k.number("failed"), 1);
  k.look("01:30:00");
  EXPECT_EQ(k.number("failed"), 1);
  k.cron.at("spec").get_object().erase("when");
  EXPECT_THAT(k.look("02:00:00"), ElementsAre("02:00:00"));
  EXPECT_EQ(k.condition("SubmissionError"), "");
}

TEST(Cron, AStopStrategyEndsItForGood) {
  Keeper k("stopStrategy: {expression: 'cronworkflow.succeeded >= 2'}");
  k.look("01:00:00");
  k.end_all("Succeeded", "01:10:00");
  EXPECT_THAT(k.look("02:00:00"), ElementsAre("02:00:00"));
  k.end_all("Succeeded", "02:10:00");
  EXPECT_THAT(k.look("03:00:00"), IsEmpty());
  EXPECT_EQ(api::string_at(k.cron, {"status", "phase"}), "Stopped");
  EXPECT_EQ(api::string_at(k.cron, {"metadata", "labels", "workflows.argoproj.io/cron-workflow-completed"}),
            "true");
  EXPECT_EQ(decide(k.cron, k.children, k.since, at("04:00:00")).wake, std::nullopt);
}

TEST(Cron, AChildIsItsOwnerWithATime) {
  Keeper k(R"(
workflowMetadata: {labels: {team: vision}, annotations: {note: hi}, finalizers: [example.com/keep]})");
  api::set(k.cron, {"metadata", "labels"},
           JsonObject{{"workflows.argoproj.io/creator", "ann"}, {"own", "x"}});
  const Json child = child_of(k.cron, at("01:00:00"));
  EXPECT_EQ(api::object_at(child, {"metadata", "labels"}),
            (JsonObject{{"workflows.argoproj.io/creator", "ann"},
                        {"workflows.argoproj.io/cron-workflow", "nightly"},
                        {"team", "vision"}}));
  EXPECT_EQ(api::string_at(child, {"metadata", "annotations", "workflows.argoproj.io/scheduled-time"}),
            "2026-01-02T01:00:00Z");
  EXPECT_EQ(api::string_at(child, {"metadata", "annotations", "note"}), "hi");
  EXPECT_EQ(api::array_at(child, {"metadata", "finalizers"}).size(), 1u);
  const Json& owner = api::array_at(child, {"metadata", "ownerReferences"}).at(0);
  EXPECT_EQ(api::string_at(owner, {"uid"}), "u1");
  EXPECT_TRUE(api::bool_at(owner, {"controller"}));
  EXPECT_EQ(api::string_at(child, {"spec", "entrypoint"}), "main");
}

TEST(Cron, WhatIsWrongIsNamedByItsField) {
  const auto field = [](std::string_view more) {
    const auto problem = check_cron(Keeper(more).cron);
    return problem ? problem->field : "";
  };
  EXPECT_EQ(field("timezone: Europe/Berlin"), "");
  EXPECT_EQ(field("timezone: Mars/Base"), "spec.timezone");
  EXPECT_EQ(field("schedules: []"), "spec.schedules");
  EXPECT_EQ(field("schedules: ['* * * * *', 'x']"), "spec.schedules[1]");
  EXPECT_EQ(field("concurrencyPolicy: Maybe"), "spec.concurrencyPolicy");
  EXPECT_EQ(field("startingDeadlineSeconds: -1"), "spec.startingDeadlineSeconds");
  EXPECT_EQ(field("when: '{{=1 +}}'"), "spec.when");
  EXPECT_EQ(field("stopStrategy: {expression: '1 +'}"), "spec.stopStrategy.expression");
  EXPECT_EQ(field("workflowSpec: null"), "spec.workflowSpec");
  Keeper k;
  api::set(k.cron, {"metadata", "name"}, std::string(53, 'n'));
  EXPECT_EQ(check_cron(k.cron)->field, "metadata.name");
}

}  // namespace
}  // namespace ingot::workflow
