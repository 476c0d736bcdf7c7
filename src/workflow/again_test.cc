#include "workflow/again.h"

#include <gmock/gmock.h>

#include "workflow/rows.h"
#include "workflow/testing.h"

namespace ingot::workflow {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// A run as clients see it.
Json shown(const Bench& b) {
  std::vector<Json> rows;
  for (const auto& [id, json] : b.stored) rows.push_back(json);
  Json out = yaml(
      "{metadata: {name: wf}, spec: {shutdown: Stop}, status: {phase: Failed, message: m, finishedAt: x}}");
  api::set(out, {"status", "phase"}, to_string(b.run->phase()));
  api::set(out, {"status", "nodes"}, shown_nodes(std::move(rows)));
  return out;
}

// Goes on from what a client wrote, as the engine does.
void go_on(Bench& b, const Again& again) {
  const JsonObject& nodes = api::object_at(again.workflow, {"status", "nodes"});
  for (auto at = b.stored.begin(); at != b.stored.end();) {
    const Json* own = nodes.if_contains(at->first);
    if (!own) {
      at = b.stored.erase(at);
      continue;
    }
    if (auto changed = row_from_shown(at->second, *own)) at->second = *std::move(changed);
    ++at;
  }
  b.started.clear();
  b.again();
}

std::string refused(const Json& workflow) {
  const auto again = begin_again(workflow, {});
  return again ? "again" : again.error();
}

TEST(Again, OneContainer) {
  Bench b(with_say("entrypoint: say\ntemplates:"));
  b.end("wf", Phase::Failed);
  const auto again = begin_again(shown(b), b.now);
  ASSERT_TRUE(again) << again.error();
  EXPECT_THAT(again->nodes, ElementsAre("wf"));
  EXPECT_EQ(api::string_at(again->workflow, {"status", "phase"}), "Running");
  EXPECT_EQ(api::find(again->workflow, {"status", "finishedAt"}), nullptr);
  EXPECT_EQ(api::find(again->workflow, {"spec", "shutdown"}), nullptr);
  go_on(b, *again);
  EXPECT_THAT(b.started, ElementsAre("wf"));
}

TEST(Again, StepsKeepWhatWentWell) {
  Bench b(with_say(R"(
entrypoint: main
templates:
- name: main
  steps:
  - - {name: a, template: say}
  - - {name: b, template: say}
    - {name: c, template: say}
  - - {name: d, template: say}
)"));
  b.end("wf[0].a");
  b.end("wf[1].b");
  b.end("wf[1].c", Phase::Failed);
  ASSERT_TRUE(b.run->over());
  const auto again = begin_again(shown(b), b.now);
  ASSERT_TRUE(again) << again.error();
  EXPECT_THAT(again->nodes, ElementsAre(b.node("wf[1].c").id));
  go_on(b, *again);
  EXPECT_THAT(b.started, ElementsAre("wf[1].c"));
  b.end("wf[1].c");
  b.end("wf[2].d");
  EXPECT_EQ(b.run->phase(), Phase::Succeeded);
}

TEST(Again, ADagBeginsWhatWasLeftOut) {
  Bench b(with_say(R"(
entrypoint: main
templates:
- name: main
  dag:
    tasks:
    - {name: A, template: say}
    - {name: B, template: nested, depends: A}
    - {name: C, template: say, depends: B}
    - {name: D, template: say, depends: A}
- name: nested
  dag:
    tasks:
    - {name: X, template: say}
    - {name: Y, template: say, depends: X}
)"));
  b.end("wf.A");
  b.end("wf.D");
  b.end("wf.B.X", Phase::Failed);
  ASSERT_TRUE(b.run->over());
  EXPECT_EQ(b.phase("wf.C"), "Omitted");
  const auto again = begin_again(shown(b), b.now);
  ASSERT_TRUE(again) << again.error();
  go_on(b, *again);
  EXPECT_THAT(b.started, ElementsAre("wf.B.X"));
  b.end("wf.B.X");
  b.end("wf.B.Y");
  b.end("wf.C");
  EXPECT_EQ(b.run->phase(), Phase::Succeeded);
  EXPECT_EQ(b.phase("wf.D"), "Succeeded");
}

TEST(Again, AttemptsAreCountedAnew) {
  Bench b(
      with_say("entrypoint: r\ntemplates:\n- name: r\n  retryStrategy: {limit: 1}\n  container: {image: i}"));
  b.end("wf(0)", Phase::Failed);
  b.end("wf(1)", Phase::Failed);
  ASSERT_TRUE(b.run->over());
  const auto again = begin_again(shown(b), b.now);
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(again->nodes.size(), 3u);
  go_on(b, *again);
  EXPECT_THAT(b.started, ElementsAre("wf(0)"));
}

TEST(Again, OfItemsThoseThatFailed) {
  Bench b(with_say(R"(
entrypoint: main
templates:
- name: main
  dag:
    tasks:
    - {name: A, template: say, withItems: [1, 2, 3]}
    - {name: B, template: say, depends: A}
)"));
  b.end("wf.A(0:1)");
  b.end("wf.A(1:2)", Phase::Failed);
  b.end("wf.A(2:3)");
  ASSERT_TRUE(b.run->over());
  go_on(b, *begin_again(shown(b), b.now));
  EXPECT_THAT(b.started, ElementsAre("wf.A(1:2)"));
  b.end("wf.A(1:2)");
  b.end("wf.B");
  EXPECT_EQ(b.run->phase(), Phase::Succeeded);
}

TEST(Again, AnExitHandlerRunsAgain) {
  Bench b(with_say("entrypoint: say\nonExit: say\ntemplates:"));
  b.end("wf", Phase::Failed);
  b.end("wf.onExit");
  ASSERT_TRUE(b.run->over());
  go_on(b, *begin_again(shown(b), b.now));
  EXPECT_THAT(b.started, ElementsAre("wf"));
  b.end("wf");
  b.end("wf.onExit");
  EXPECT_EQ(b.run->phase(), Phase::Succeeded);
}

TEST(Again, OnlyWhatFailed) {
  EXPECT_EQ(refused(yaml("{metadata: {name: w}, status: {phase: Succeeded}}")),
            "w succeeded: there is nothing to try again");
  EXPECT_EQ(refused(yaml("{metadata: {name: w}, status: {phase: Running}}")),
            "w is not over: only what failed is tried again");
  EXPECT_EQ(refused(yaml("{metadata: {name: w}, status: {phase: Failed, message: 'invalid spec: x'}}")),
            "w never began: invalid spec: x");
}

}  // namespace
}  // namespace ingot::workflow
