#include <gmock/gmock.h>

#include "workflow/testing.h"

namespace ingot::workflow {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

void begins_to_run(Bench& b, const std::string& name) {
  b.run->pod(b.run->find(name), {.phase = Phase::Running}, b.now);
  b.take();
}

constexpr std::string_view kHooks = R"(
entrypoint: main
templates:
- name: main
  dag:
    tasks:
    - name: A
      template: say
      hooks:
        running: {expression: 'tasks.A.status == "Running"', template: say, arguments: {parameters: [{name: text, value: "{{tasks.A.status}}"}]}}
        failed: {expression: 'tasks["A"].status == "Failed"', template: say}
    - {name: B, template: say, depends: "A.Failed || A.Succeeded"}
)";

TEST(RunHooks, BeginWhenTheirExpressionHolds) {
  Bench b(with_say(std::string(kHooks)));
  EXPECT_THAT(b.running(), ElementsAre("wf.A"));
  begins_to_run(b, "wf.A");
  EXPECT_THAT(b.running(), ElementsAre("wf.A", "wf.A.hooks.running"));
  EXPECT_EQ(api::to_text(b.pods["wf.A.hooks.running"].at("container").at("command")),
            R"(["echo","Running"])");
  EXPECT_TRUE(b.node("wf.A.hooks.running").hooked);
  b.end("wf.A");
  EXPECT_THAT(b.running(), ElementsAre("wf.A.hooks.running")) << "who waits for A waits for its hooks";
  b.again();
  b.end("wf.A.hooks.running");
  EXPECT_THAT(b.running(), ElementsAre("wf.B"));
  b.end("wf.B");
  EXPECT_EQ(b.run->phase(), Phase::Succeeded);
  EXPECT_EQ(b.phase("wf.A.hooks.failed"), "none");
}

TEST(RunHooks, AHookThatEndsBeforeItsNodeIsNotBegunAgain) {
  Bench b(with_say(std::string(kHooks)));
  begins_to_run(b, "wf.A");
  b.end("wf.A.hooks.running", Phase::Failed);
  b.again();
  b.end("wf.A", Phase::Failed);
  EXPECT_THAT(b.running(), ElementsAre("wf.A.hooks.failed"));
  b.end("wf.A.hooks.failed");
  b.end("wf.B");
  EXPECT_EQ(b.run->phase(), Phase::Succeeded) << "B was to run after a failure";
}

constexpr std::string_view kOwnHooks = R"(
entrypoint: say
hooks:
  running: {expression: 'workflow.status == "Running"', template: say}
  done: {expression: 'workflow.status == "Succeeded"', template: say}
  exit: {expression: 'workflow.status == "Succeeded"', template: say}
templates:
)";

TEST(RunHooks, OfARun) {
  Bench b(with_say(std::string(kOwnHooks)));
  EXPECT_THAT(b.running(), ElementsAre("wf", "wf.hooks.running"));
  b.end("wf");
  EXPECT_FALSE(b.run->over());
  b.again();
  b.end("wf.hooks.running");
  EXPECT_THAT(b.running(), ElementsAre("wf.hooks.done"));
  b.again();
  b.end("wf.hooks.done");
  EXPECT_THAT(b.running(), ElementsAre("wf.onExit"));
  b.again();
  b.end("wf.onExit");
  EXPECT_EQ(b.run->phase(), Phase::Succeeded);
  EXPECT_EQ(b.started.size(), 4u);
}

TEST(RunHooks, WhoseExpressionDoesNotHoldAreNotBegun) {
  Bench b(with_say(std::string(kOwnHooks)));
  b.end("wf.hooks.running");
  b.end("wf", Phase::Failed);
  EXPECT_EQ(b.run->phase(), Phase::Failed);
  EXPECT_THAT(b.started, Not(Contains("wf.onExit")));
}

TEST(RunHooks, AnExpressionThatFailsIsSaidOnceTheNodeHasEnded) {
  Bench b(with_say(R"(
entrypoint: main
templates:
- name: main
  steps:
  - - name: a
      template: say
      hooks: {x: {expression: "steps.a.outputs.parameters.y + 1 == 2", template: say}}
)"));
  EXPECT_THAT(b.running(), ElementsAre("wf[0].a"));
  b.end("wf[0].a");
  EXPECT_EQ(b.phase("wf[0].a.hooks.x"), "Error");
  EXPECT_THAT(b.node("wf[0].a.hooks.x").message, HasSubstr("hook: "));
  EXPECT_EQ(b.run->phase(), Phase::Succeeded);
}

TEST(RunHooks, AnExitHookOfADagOutlivesACrash) {
  Bench b(with_say(R"(
entrypoint: main
templates:
- name: main
  steps:
  - - {name: a, template: inner, hooks: {exit: {template: say}}}
  - - {name: b, template: say}
- name: inner
  dag: {tasks: [{name: t, template: say}]}
)"));
  b.end("wf[0].a.t");
  EXPECT_THAT(b.running(), ElementsAre("wf[0].a.onExit"));
  b.again();
  EXPECT_FALSE(b.run->over());
  b.end("wf[0].a.onExit");
  EXPECT_THAT(b.running(), ElementsAre("wf[1].b"));
}

TEST(Hooks, AreCheckedWhenTheyAreRead) {
  const auto fault = [](std::string hook) {
    return Flow::read(yaml(with_say("entrypoint: say\nhooks: {h: " + hook + "}\ntemplates:\n")), {}).error();
  };
  EXPECT_EQ(fault("{template: say}"), "spec.hooks.h: expression is required");
  EXPECT_THAT(fault("{template: say, expression: '1 +'}"), HasSubstr("spec.hooks.h.expression: "));
}

}  // namespace
}  // namespace ingot::workflow
