#include "workflow/run.h"

#include <gmock/gmock.h>

#include "workflow/testing.h"

namespace ingot::workflow {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

TEST(Run, OneContainer) {
  Bench b(with_say("entrypoint: say\ntemplates:"));
  EXPECT_THAT(b.running(), ElementsAre("wf"));
  EXPECT_EQ(api::to_text(b.pods["wf"].at("container").at("command")), R"(["echo","hi"])");
  b.end("wf");
  EXPECT_TRUE(b.run->over());
  EXPECT_EQ(b.run->phase(), Phase::Succeeded);
}

TEST(Run, AParameterWithoutAValueIsAnError) {
  Bench b(
      "entrypoint: a\ntemplates:\n- name: a\n  inputs: {parameters: [{name: x}]}\n  container: {image: i}\n");
  EXPECT_TRUE(b.run->over());
  EXPECT_EQ(b.run->message(), "inputs.parameters.x was not supplied");
}

TEST(Run, StepsGoOneGroupAfterAnother) {
  Bench b(with_say(R"(
entrypoint: main
templates:
- name: main
  steps:
  - - {name: a, template: say}
    - {name: b, template: say, when: "1 > 2"}
  - - {name: c, template: say, arguments: {parameters: [{name: text, value: "{{steps.a.outputs.result}}!"}]}}
)"));
  EXPECT_THAT(b.running(), ElementsAre("wf[0].a"));
  EXPECT_EQ(b.phase("wf[0].b"), "Skipped");
  EXPECT_EQ(b.node("wf[0].b").message, "when '1 > 2' evaluated false");
  b.end("wf[0].a", Phase::Succeeded, "result: pear");
  EXPECT_THAT(b.running(), ElementsAre("wf[1].c"));
  EXPECT_EQ(api::to_text(b.pods["wf[1].c"].at("container").at("command")), R"(["echo","pear!"])");
  b.end("wf[1].c");
  EXPECT_EQ(b.run->phase(), Phase::Succeeded);
}

TEST(Run, AStepThatFailsEndsItsSteps) {
  Bench b(with_say(R"(
entrypoint: main
templates:
- name: main
  steps:
  - - {name: a, template: say}
    - {name: b, template: say}
  - - {name: c, template: say}
)"));
  b.end("wf[0].a", Phase::Failed);
  EXPECT_FALSE(b.run->over());
  b.end("wf[0].b");
  EXPECT_EQ(b.run->phase(), Phase::Failed);
  EXPECT_EQ(b.run->message(), "child '" + b.node("wf[0].a").id + "' failed");
  EXPECT_EQ(b.phase("wf[1]"), "none");
}

TEST(Run, AStepMayGoOnAfterAFailure) {
  Bench b(with_say(R"(
entrypoint: main
templates:
- name: main
  steps:
  - - {name: a, template: say, continueOn: {failed: true}}
  - - {name: c, template: say}
)"));
  b.end("wf[0].a", Phase::Failed);
  b.end("wf[1].c");
  EXPECT_EQ(b.run->phase(), Phase::Succeeded);
}

TEST(Run, ItemsRunBesideEachOtherAndGiveLists) {
  Bench b(with_say(R"(
entrypoint: main
templates:
- name: main
  steps:
  - - name: a
      template: say
      arguments: {parameters: [{name: text, value: "{{item}}"}]}
      withItems: [1, two]
  - - name: b
      template: say
      arguments: {parameters: [{name: text, value: "{{item.k}}-{{item.n}}"}]}
      withParam: '{{steps.a.outputs.result}}'
  - - {name: c, template: say, withSequence: {count: "3", start: "4", format: "n%02d"}}
)"));
  EXPECT_THAT(b.running(), ElementsAre("wf[0].a(0:1)", "wf[0].a(1:two)"));
  b.end("wf[0].a(1:two)", Phase::Succeeded, R"(result: '{"k":"y","n":2}')");
  b.end("wf[0].a(0:1)", Phase::Succeeded, R"(result: '{"k":"x","n":1}')");
  EXPECT_THAT(b.running(), ElementsAre("wf[1].b(0:k:x,n:1)", "wf[1].b(1:k:y,n:2)"));
  EXPECT_EQ(api::to_text(b.pods["wf[1].b(1:k:y,n:2)"].at("container").at("command")), R"(["echo","y-2"])");
  b.end("wf[1].b(0:k:x,n:1)");
  b.end("wf[1].b(1:k:y,n:2)");
  EXPECT_THAT(b.running(), ElementsAre("wf[2].c(0:n04)", "wf[2].c(1:n05)", "wf[2].c(2:n06)"));
}

constexpr std::string_view kDiamond = R"(
entrypoint: main
templates:
- name: main
  dag:
    tasks:
    - {name: A, template: say}
    - {name: B, template: say, dependencies: [A]}
    - {name: C, template: say, depends: A}
    - {name: D, template: say, depends: "B && C.Succeeded"}
)";

TEST(Run, TasksOfADagRunAsTheirNeedsEnd) {
  Bench b(with_say(std::string(kDiamond)));
  EXPECT_THAT(b.running(), ElementsAre("wf.A"));
  b.end("wf.A");
  EXPECT_THAT(b.running(), ElementsAre("wf.B", "wf.C"));
  b.end("wf.B");
  EXPECT_THAT(b.running(), ElementsAre("wf.C"));
  b.end("wf.C");
  b.end("wf.D");
  EXPECT_EQ(b.run->phase(), Phase::Succeeded);
  EXPECT_THAT(b.node("wf.D").after, UnorderedElementsAre(b.run->find("wf.B"), b.run->find("wf.C")));
}

TEST(Run, WhatDependsOnAFailureIsOmittedAndTheDagFails) {
  Bench b(with_say(std::string(kDiamond)));
  b.end("wf.A");
  b.end("wf.B", Phase::Failed);
  b.end("wf.C");
  EXPECT_EQ(b.phase("wf.D"), "Omitted");
  EXPECT_EQ(b.run->phase(), Phase::Failed);
}

TEST(Run, ADagMayDependOnAFailure) {
  Bench b(with_say(R"(
entrypoint: main
templates:
- name: main
  dag:
    tasks:
    - {name: A, template: say}
    - {name: B, template: say, depends: "A.Failed || A.Errored"}
    - {name: C, template: say, depends: "A.Succeeded"}
)"));
  b.end("wf.A", Phase::Failed);
  EXPECT_THAT(b.running(), ElementsAre("wf.B"));
  b.end("wf.B");
  EXPECT_EQ(b.phase("wf.C"), "Omitted");
  // C ends the dag, too, and counts as A does.
  EXPECT_EQ(b.run->phase(), Phase::Failed);
}

TEST(Run, ATaskThatExpandsIsAGroup) {
  Bench b(with_say(R"(
entrypoint: main
templates:
- name: main
  dag:
    tasks:
    - {name: A, template: say, withItems: [x, y]}
    - {name: B, template: say, depends: "A.AnySucceeded"}
    - {name: E, template: say, depends: "A.AllFailed"}
)"));
  EXPECT_THAT(b.running(), ElementsAre("wf.A(0:x)", "wf.A(1:y)"));
  b.end("wf.A(0:x)", Phase::Failed);
  b.end("wf.A(1:y)");
  EXPECT_EQ(b.phase("wf.A"), "Failed");
  EXPECT_THAT(b.running(), ElementsAre("wf.B"));
  EXPECT_EQ(b.phase("wf.E"), "Omitted");
}

TEST(Run, AttemptsAreMadeUpToTheLimit) {
  Bench b(R"(
entrypoint: a
templates:
- name: a
  retryStrategy: {limit: 2}
  container: {image: i, args: ["{{retries}}", "{{lastRetry.exitCode}}"]}
)");
  EXPECT_THAT(b.running(), ElementsAre("wf(0)"));
  b.end("wf(0)", Phase::Failed, "exitCode: '3'");
  EXPECT_EQ(api::to_text(b.pods["wf(1)"].at("container").at("args")), R"(["1","3"])");
  b.end("wf(1)", Phase::Failed);
  b.end("wf(2)", Phase::Failed);
  EXPECT_EQ(b.run->phase(), Phase::Failed);
  EXPECT_EQ(b.run->message(), "No more retries left");
}

TEST(Run, AttemptsWaitLongerAndLonger) {
  Bench b(R"(
entrypoint: a
templates:
- name: a
  retryStrategy: {limit: 5, backoff: {duration: "10", factor: 2}}
  container: {image: i}
)");
  b.end("wf(0)", Phase::Failed);
  EXPECT_THAT(b.running(), ElementsAre());
  EXPECT_EQ(b.node("wf").message, "Backoff for 10s");
  b.pass(9s);
  EXPECT_THAT(b.running(), ElementsAre());
  b.pass(1s);
  b.end("wf(1)", Phase::Failed);
  EXPECT_EQ(*b.run->wake_at(), b.now + 20s);
  b.again();  // what waits, waits again
  b.pass(20s);
  b.end("wf(2)");
  EXPECT_EQ(b.run->phase(), Phase::Succeeded);
}

TEST(Run, AnExpressionDecidesWhetherToTryAgain) {
  Bench b(R"(
entrypoint: a
templates:
- name: a
  retryStrategy: {limit: 5, expression: "lastRetry.exitCode == '7'"}
  container: {image: i}
)");
  b.end("wf(0)", Phase::Failed, "exitCode: '7'");
  b.end("wf(1)", Phase::Failed, "exitCode: '1'");
  EXPECT_EQ(b.run->phase(), Phase::Failed);
}

TEST(Run, StepsInADagInSteps) {
  Bench b(with_say(R"(
entrypoint: main
templates:
- name: main
  steps:
  - - {name: a, template: inner, arguments: {parameters: [{name: x, value: 5}]}}
  - - {name: b, template: say, arguments: {parameters: [{name: text, value: "{{steps.a.outputs.parameters.y}}"}]}}
- name: inner
  inputs: {parameters: [{name: x}]}
  outputs: {parameters: [{name: y, valueFrom: {parameter: "{{tasks.t.outputs.result}}"}}]}
  dag:
    tasks:
    - {name: t, template: say, arguments: {parameters: [{name: text, value: "{{=asInt(inputs.parameters.x) + 1}}"}]}}
)"));
  EXPECT_EQ(api::to_text(b.pods["wf[0].a.t"].at("container").at("command")), R"(["echo","6"])");
  b.end("wf[0].a.t", Phase::Succeeded, "result: six");
  EXPECT_EQ(api::to_text(b.pods["wf[1].b"].at("container").at("command")), R"(["echo","six"])");
}

TEST(Run, ExitHandlersRunWhateverHappened) {
  Bench b(with_say(R"(
entrypoint: main
onExit: say
templates:
- name: main
  steps:
  - - {name: a, template: say, hooks: {exit: {template: say, arguments: {parameters: [{name: text, value: "{{steps.a.status}}"}]}}}}
)"));
  b.end("wf[0].a", Phase::Failed);
  EXPECT_THAT(b.running(), ElementsAre("wf[0].a.onExit"));
  EXPECT_EQ(api::to_text(b.pods["wf[0].a.onExit"].at("container").at("command")), R"(["echo","Failed"])");
  EXPECT_EQ(b.phase("wf[0]"), "Running");
  b.end("wf[0].a.onExit");
  EXPECT_EQ(b.phase("wf"), "Failed");
  EXPECT_THAT(b.running(), ElementsAre("wf.onExit"));
  EXPECT_EQ(b.run->phase(), Phase::Running);
  b.again();
  EXPECT_EQ(b.run->phase(), Phase::Running);
  b.end("wf.onExit");
  EXPECT_EQ(b.run->phase(), Phase::Failed);
}

TEST(Run, SuspendedUntilItsTimeOrAnAnswer) {
  Bench b(with_say(R"(
entrypoint: main
templates:
- name: main
  steps:
  - - {name: w, template: wait}
  - - {name: v, template: approve}
  - - {name: a, template: say}
- {name: wait, suspend: {duration: 20s}}
- {name: approve, suspend: {}}
)"));
  b.pass(10s);
  b.again();
  b.pass(10s);
  EXPECT_EQ(b.phase("wf[0].w"), "Succeeded");
  b.pass(1000h);
  EXPECT_EQ(b.phase("wf[1].v"), "Running");
  api::set(b.stored.at(b.node("wf[1].v").id), {"phase"}, "Succeeded");  // as `argo resume` does
  b.again();
  EXPECT_THAT(b.running(), ElementsAre("wf[2].a"));
}

TEST(Run, StopRunsExitHandlersTerminateDoesNot) {
  for (const Shutdown how : {Shutdown::Stop, Shutdown::Terminate}) {
    Bench b(with_say("onExit: say" + std::string(kDiamond)));
    b.run->shut_down(how, b.now);
    b.take();
    EXPECT_THAT(b.phase("wf.A"), "Failed");
    if (how == Shutdown::Stop) {
      EXPECT_THAT(b.running(), ElementsAre("wf.onExit"));
      b.end("wf.onExit");
    }
    EXPECT_TRUE(b.run->over());
    EXPECT_EQ(b.run->phase(), Phase::Failed);
  }
}

TEST(Run, TheDeadlineOfAWorkflow) {
  Bench b("activeDeadlineSeconds: 60" + with_say(std::string(kDiamond)));
  b.end("wf.A");
  b.pass(60s);
  EXPECT_EQ(b.phase("wf.B"), "Failed");
  EXPECT_EQ(b.node("wf.B").message, "Step exceeded its deadline");
  EXPECT_EQ(b.run->phase(), Phase::Failed);
}

TEST(Run, NothingIsBegunWhileSuspended) {
  Bench b(with_say(std::string(kDiamond)));
  b.run->set_suspended(true, b.now);
  b.end("wf.A");
  EXPECT_THAT(b.running(), ElementsAre());
  b.run->set_suspended(false, b.now);
  b.take();
  EXPECT_THAT(b.running(), ElementsAre("wf.B", "wf.C"));
}

}  // namespace
}  // namespace ingot::workflow
