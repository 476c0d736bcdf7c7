#include "pipelines/cron.h"

#include <gmock/gmock.h>

#include "api/parse.h"
#include "base/encoding.h"
#include "store/testing.h"
#include "workflow/cron.h"
#include "workflow/rows.h"

namespace ingot::pipelines {
namespace {

using namespace std::chrono_literals;
using api::Json;
using api::Key;
using testing::ElementsAre;
using testing::IsEmpty;

// A shard with CronWorkflows kept in it; the time is three o'clock.
struct Factory {
  store::Fixture store;
  std::shared_ptr<const api::Registry> registry = api::Registry::builtin();
  std::unique_ptr<CronKeeper> keeper;

  Factory() {
    put("namespaces", "metadata: {name: default}", "");
    start();
  }
  void start() {
    keeper = std::make_unique<CronKeeper>(store.t.env, *store.shard, *registry);
    store.t.loop.run_until_idle();
  }
  // As after kill -9: down for a while.
  void restart(Duration down) {
    keeper.reset();
    store.t.loop.advance(down);
    store.reopen();
    start();
  }
  void advance(Duration by) { store.t.loop.advance(by); }

  static Key key(std::string_view resource, std::string_view name, std::string_view ns = "default") {
    return {ClusterId{"c1"}, resource, ns, name};
  }
  void put(std::string_view resource, std::string_view yaml, std::string_view ns = "default") {
    auto parsed = api::parse_body_yaml(yaml);
    ASSERT_TRUE(parsed) << parsed.error().message;
    Json object = std::move(parsed->value);
    const std::string name(api::string_at(object, {"metadata", "name"}));
    api::set(object, {"metadata", "uid"}, "uid-of-" + name);
    api::set(object, {"metadata", "namespace"}, ns);
    api::set(object, {"metadata", "creationTimestamp"}, to_rfc3339(store.t.clock.wall()));
    EXPECT_TRUE(
        store.input([&](store::Turn& turn) { EXPECT_TRUE(turn.put(key(resource, name, ns), object)); }));
    store.t.loop.run_until_idle();
  }
  void make(std::string_view spec, std::string_view name = "tick") {
    put(workflow::kCronWorkflows,
        "metadata: {name: " + std::string(name) + "}\nspec: {" + std::string(spec) +
            ", workflowSpec: {entrypoint: main, templates: [{name: main, container: {image: i}}]}}\n");
  }
  Json get(std::string_view resource, std::string_view name) {
    api::ObjectPtr found;
    EXPECT_TRUE(store.input([&](store::Turn& turn) { found = turn.get(key(resource, name)); }));
    return found ? found->parse() : Json();
  }
  void change(std::string_view resource, std::string_view name, const std::function<void(Json&)>& edit) {
    Json object = get(resource, name);
    edit(object);
    EXPECT_TRUE(store.input([&](store::Turn& turn) { EXPECT_TRUE(turn.put(key(resource, name), object)); }));
    store.t.loop.run_until_idle();
  }
  Json cron(std::string_view name = "tick") { return get(workflow::kCronWorkflows, name); }
  std::vector<std::string> names() {
    std::vector<std::string> found;
    EXPECT_TRUE(store.input([&](store::Turn& turn) {
      turn.range(api::type_prefix(ClusterId{"c1"}, workflow::kWorkflows), "", [&](const api::ObjectPtr& o) {
        found.emplace_back(o->key.name());
        return true;
      });
    }));
    return found;
  }
  // When they were due.
  std::vector<std::string> made() {
    std::vector<std::string> found;
    for (const std::string& name : names())
      found.push_back(
          std::string(api::string_at(get(workflow::kWorkflows, name),
                                     {"metadata", "annotations", "workflows.argoproj.io/scheduled-time"}))
              .substr(11, 5));
    return found;
  }
  void end(std::string_view name, std::string_view phase = "Succeeded") {
    change(workflow::kWorkflows, name, [&](Json& w) {
      api::set(w, {"status", "phase"}, phase);
      api::set(w, {"status", "finishedAt"}, to_rfc3339(store.t.clock.wall()));
    });
  }
  size_t active() { return api::array_at(cron(), {"status", "active"}).size(); }
};

TEST(CronKeeper, MakesAWorkflowWhenItIsDue) {
  Factory f;
  f.make("schedules: ['*/10 * * * *']");
  f.advance(9min);
  EXPECT_THAT(f.made(), IsEmpty());
  f.advance(1min);
  EXPECT_THAT(f.made(), ElementsAre("03:10"));
  f.advance(1h);
  EXPECT_EQ(f.made().size(), 7u);
  EXPECT_EQ(f.active(), 7u);
  EXPECT_EQ(api::string_at(f.cron(), {"status", "lastScheduledTime"}), "2026-01-02T04:10:00Z");
}

TEST(CronKeeper, KeepsCountAndForgetsTheOldest) {
  Factory f;
  f.make("schedules: ['*/10 * * * *'], successfulJobsHistoryLimit: 1");
  for (int i = 0; i < 3; ++i) {
    f.advance(10min);
    f.end(f.names().back());
  }
  EXPECT_THAT(f.made(), ElementsAre("03:30"));
  EXPECT_EQ(api::int_at(f.cron(), {"status", "succeeded"}), 3);
  EXPECT_EQ(f.active(), 0u);
}

TEST(CronKeeper, EachTimeOnceWhateverIsRestarted) {
  Factory f;
  f.make("schedules: ['*/10 * * * *'], startingDeadlineSeconds: 300");
  f.advance(10min);
  f.restart(0s);
  EXPECT_THAT(f.made(), ElementsAre("03:10"));
  f.restart(12min);  // 03:20 was missed, two minutes ago
  EXPECT_THAT(f.made(), ElementsAre("03:10", "03:20"));
  f.restart(27min);  // 03:30 and 03:40 were missed, too long ago
  EXPECT_THAT(f.made(), ElementsAre("03:10", "03:20"));
  f.advance(1min);
  EXPECT_THAT(f.made(), ElementsAre("03:10", "03:20", "03:50"));
}

TEST(CronKeeper, AFailedCommitMissesNothing) {
  Factory f;
  f.make("schedules: ['*/10 * * * *']");
  f.store.t.faults.arm("store.commit.fail", 2);
  f.advance(11min);
  EXPECT_THAT(f.made(), ElementsAre("03:10"));
  EXPECT_EQ(f.active(), 1u);
}

TEST(CronKeeper, ForbidKnowsAfterARestartWhatRuns) {
  Factory f;
  f.make("schedules: ['*/10 * * * *'], concurrencyPolicy: Forbid");
  f.advance(10min);
  f.restart(1s);
  f.advance(10min);
  EXPECT_THAT(f.made(), ElementsAre("03:10"));
  f.end(f.names()[0]);
  f.advance(10min);
  EXPECT_THAT(f.made(), ElementsAre("03:10", "03:30"));
}

TEST(CronKeeper, ReplaceTerminates) {
  Factory f;
  f.make("schedules: ['*/10 * * * *'], concurrencyPolicy: Replace");
  f.advance(20min);
  ASSERT_EQ(f.names().size(), 2u);
  EXPECT_EQ(api::string_at(f.get(workflow::kWorkflows, f.names()[0]), {"spec", "shutdown"}), "Terminate");
  EXPECT_EQ(api::string_at(f.get(workflow::kWorkflows, f.names()[1]), {"spec", "shutdown"}), "");
}

TEST(CronKeeper, ATemplateThatIsGoneIsSaid) {
  Factory f;
  f.put(workflow::kCronWorkflows, R"(
metadata: {name: tick}
spec: {schedules: ['*/10 * * * *'], workflowSpec: {workflowTemplateRef: {name: gone}}}
)");
  f.advance(10min);
  EXPECT_THAT(f.made(), IsEmpty());
  const Json condition = api::array_at(f.cron(), {"status", "conditions"}).at(0);
  EXPECT_EQ(api::string_at(condition, {"type"}), "SpecError");
  EXPECT_EQ(api::string_at(condition, {"message"}), "workflowtemplate \"gone\" not found");
}

TEST(CronKeeper, ANewScheduleHoldsAtOnceAndADeletedOneNoMore) {
  Factory f;
  f.make("schedules: ['0 0 * * *']");
  f.change(workflow::kCronWorkflows, "tick",
           [](Json& c) { c.at("spec").at("schedules") = api::JsonArray{"*/5 * * * *"}; });
  f.advance(5min);
  EXPECT_THAT(f.made(), ElementsAre("03:05"));
  EXPECT_TRUE(f.store.input(
      [&](store::Turn& turn) { EXPECT_TRUE(turn.erase(Factory::key(workflow::kCronWorkflows, "tick"))); }));
  f.advance(1h);
  EXPECT_THAT(f.made(), ElementsAre("03:05"));
}

TEST(CronKeeper, AClockThatIsSetBackRepeatsNothing) {
  Factory f;
  f.make("schedules: ['*/10 * * * *']");
  f.advance(20min);
  f.store.t.clock.set_wall(f.store.t.clock.wall() - 15min);
  f.advance(14min);
  EXPECT_THAT(f.made(), ElementsAre("03:10", "03:20"));
  f.advance(11min);
  EXPECT_THAT(f.made(), ElementsAre("03:10", "03:20", "03:30"));
}

}  // namespace
}  // namespace ingot::pipelines
