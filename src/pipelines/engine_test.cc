#include "pipelines/engine.h"

#include <gmock/gmock.h>

#include <fmt/format.h>

#include "api/parse.h"
#include "pipelines/testing.h"

namespace ingot::pipelines {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr std::string_view kTwoSteps = R"(
entrypoint: main
templates:
- name: main
  steps:
  - - {name: a, template: say}
  - - {name: b, template: say}
- {name: say, container: {image: i}}
)";

TEST(Engine, RunsAWorkflowToItsEnd) {
  Factory f;
  f.submit("w", kTwoSteps);
  EXPECT_THAT(f.running(), ElementsAre("w[0].a"));
  EXPECT_EQ(f.engine->stats().runs, 1u);
  EXPECT_EQ(f.phase("w"), "Running");
  f.end("w[0].a");
  f.end("w[1].b");
  EXPECT_EQ(f.phase("w"), "Succeeded");
  EXPECT_EQ(f.engine->stats().runs, 0u);
  EXPECT_EQ(f.engine->stats().ended, 1u);
  EXPECT_EQ(f.rows("w").size(), 5u);
}

TEST(Engine, GoesOnAfterARestart) {
  Factory f;
  f.submit("w", kTwoSteps);
  f.restart();
  EXPECT_THAT(f.running(), ElementsAre("w[0].a"));
  f.stop();
  f.end("w[0].a");  // while nobody looks
  f.restart();
  EXPECT_THAT(f.running(), ElementsAre("w[1].b"));
  f.end("w[1].b");
  EXPECT_EQ(f.phase("w"), "Succeeded");
  EXPECT_THAT(f.made, UnorderedElementsAre("w[0].a", "w[1].b"));
}

TEST(Engine, WhatACommitLostIsDoneAgainAndNothingTwice) {
  for (const std::string_view fault : {"store.commit.fail", "store.commit.unsure"})
    for (int skipped = 0; skipped < 4; ++skipped) {
      Factory f;
      f.submit("w", kTwoSteps);
      for (int commit = 0; f.phase("w") != "Succeeded" && commit < 10; ++commit) {
        if (commit == skipped) f.store.t.faults.arm(std::string(fault));
        const auto running = f.running();
        if (!running.empty()) f.end(running.front());
        f.advance(std::chrono::seconds(1));
      }
      EXPECT_EQ(f.phase("w"), "Succeeded") << fault << skipped;
      EXPECT_THAT(f.made, UnorderedElementsAre("w[0].a", "w[1].b")) << fault << skipped;
      EXPECT_EQ(f.rows("w").size(), 5u);
    }
}

constexpr std::string_view kWide = R"(
entrypoint: main
templates:
- name: main
  steps:
  - - {name: a, template: say, withSequence: {count: "1010"}}
- {name: say, container: {image: i}}
)";

TEST(Engine, OfAWideLoopAThousandPodsThatHaveNotBegunAtATime) {
  Factory f;
  f.submit("w", kWide);
  EXPECT_EQ(f.running().size(), 1'000u);
  f.restart();
  EXPECT_EQ(f.running().size(), 1'000u);
  const auto pods = f.pods();
  for (size_t i = 0; i < 4; ++i)
    f.change("pods", api::string_at(pods[i], {"metadata", "name"}),
             [](api::Json& pod) { api::set(pod, {"status", "phase"}, "Running"); });
  EXPECT_EQ(f.running().size(), 1'004u);
  f.erase("pods", api::string_at(pods[4], {"metadata", "name"}));
  EXPECT_EQ(f.running().size(), 1'004u);
  f.end(f.running().back());  // without ever having been seen at work
  EXPECT_EQ(f.running().size(), 1'004u);
}

TEST(Engine, AGangIsThereAsAWhole) {
  Factory f;
  f.submit("w", std::string(kWide) + "podMetadata: {labels: {scheduling.x-k8s.io/pod-group: g}}\n");
  EXPECT_EQ(f.running().size(), 1'010u);
}

TEST(Engine, RowsOfADeletedWorkflowGoThoughACrashCutsThemOff) {
  Factory f;
  f.submit("w", kTwoSteps);
  f.end("w[0].a");
  f.stop();
  f.erase("workflows.argoproj.io", "w");
  EXPECT_THAT(f.rows("w"), testing::Not(IsEmpty()));
  f.restart();
  EXPECT_THAT(f.rows("w"), IsEmpty());
}

TEST(Engine, APodOfItsNameThatIsNotOfTheRunIsNotTakenForIt) {
  Factory f;
  f.put("pods", "w", R"({metadata: {labels: {workflows.argoproj.io/workflow: w},
      annotations: {workflows.argoproj.io/node-id: w, workflows.argoproj.io/workflow-uid: uid-w}},
    spec: {containers: [{name: main, image: other}]}, status: {phase: Succeeded}})");
  f.submit("w", "entrypoint: say\ntemplates: [{name: say, container: {image: i}}]");
  const api::Json run = f.get("workflows.argoproj.io", "w");
  EXPECT_EQ(api::string_at(run, {"status", "phase"}), "Error");
  EXPECT_EQ(api::string_at(run, {"status", "message"}),
            "pod w exists and is not of this run: delete it, and retry");
}

constexpr std::string_view kLocked = R"(
entrypoint: say
synchronization: {mutexes: [{name: m}]}
templates:
- {name: say, container: {image: i}}
)";

TEST(Engine, AMutexIsHeldOnceWhateverHappens) {
  Factory f;
  f.submit("a", kLocked);
  f.submit("b", kLocked);
  EXPECT_THAT(f.running(), ElementsAre("a"));
  EXPECT_EQ(f.phase("b"), "Pending");
  EXPECT_THAT(f.message("b"), HasSubstr("Waiting for default/Mutex/m lock. Lock status: 0/1"));
  EXPECT_EQ(api::to_text(*api::find(f.get("workflows.argoproj.io", "b"), {"status", "synchronization"})),
            R"({"mutex":{"waiting":[{"mutex":"default/Mutex/m","holder":"default/a"}]}})");
  f.restart();
  EXPECT_THAT(f.running(), ElementsAre("a"));
  f.change("workflows.argoproj.io", "a", [](api::Json& w) { api::set(w, {"metadata", "labels", "x"}, "y"); });
  EXPECT_THAT(f.running(), ElementsAre("a")) << "it is read again, and holds what it held";
  f.end("a");
  EXPECT_THAT(f.running(), ElementsAre("b"));
  EXPECT_EQ(f.message("b"), "");
  EXPECT_EQ(api::find(f.get("workflows.argoproj.io", "a"), {"status", "synchronization"}), nullptr);
}

TEST(Engine, LocksOfTenantsAndNamespacesAreTheirOwn) {
  Factory f;
  f.submit("a", kLocked);
  f.submit("b", kLocked, "c2");
  f.submit("c", kLocked, "c1", "other");
  EXPECT_THAT(f.running(), UnorderedElementsAre("a", "c"));
  EXPECT_THAT(f.running("c2"), ElementsAre("b"));
}

TEST(Engine, ADeletedHolderGivesItsLocksBack) {
  Factory f;
  f.submit("a", kLocked);
  f.submit("b", kLocked);
  f.erase("workflows.argoproj.io", "a");
  EXPECT_THAT(f.phase("b"), "Running");
}

TEST(Engine, ASemaphoreFollowsItsConfigMap) {
  Factory f;
  constexpr std::string_view kText = R"(
entrypoint: say
synchronization: {semaphores: [{configMapKeyRef: {name: limits, key: few}}]}
templates:
- {name: say, container: {image: i}}
)";
  f.submit("early", kText);
  EXPECT_EQ(f.phase("early"), "Error");
  EXPECT_EQ(f.message("early"), "Failed to acquire the synchronization lock. configmap \"limits\" not found");
  f.put("configmaps", "limits", "data: {few: '1'}");
  f.submit("a", kText);
  f.submit("b", kText);
  f.submit("c", kText);
  EXPECT_THAT(f.running(), ElementsAre("a"));
  f.change("configmaps", "limits", [](api::Json& m) { api::set(m, {"data", "few"}, "2"); });
  EXPECT_THAT(f.running(), ElementsAre("a", "b"));
  f.end("b");
  EXPECT_THAT(f.running(), ElementsAre("a", "c"));
}

TEST(Engine, WhatATemplateGaveIsKeptInAConfigMap) {
  Factory f;
  constexpr std::string_view kText = R"(
entrypoint: t
templates:
- name: t
  memoize: {key: k, maxAge: 1h, cache: {configMap: {name: cache}}}
  container: {image: i}
  outputs: {parameters: [{name: y, valueFrom: {path: /y}}]}
)";
  f.submit("a", kText);
  f.end("a", "Succeeded", R"({"parameters":[{"name":"y","value":"pear"}]})");
  const api::Json cache = f.get("configmaps", "cache");
  EXPECT_EQ(api::string_at(cache, {"metadata", "labels", "workflows.argoproj.io/configmap-type"}), "Cache");
  EXPECT_THAT(std::string(api::string_at(cache, {"data", "k"})), HasSubstr(R"({"nodeID":"a","outputs":{)"));
  f.submit("b", kText);
  EXPECT_EQ(f.phase("b"), "Succeeded");
  EXPECT_EQ(api::to_text(*api::find(f.node("b", "b"), {"memoizationStatus"})),
            R"({"cacheName":"cache","hit":true,"key":"k"})");
  f.submit("other", kText, "c2");
  EXPECT_THAT(f.running("c2"), ElementsAre("other")) << "another tenant's";
  f.put("configmaps", "plain", "{data: {}}");
  std::string plain(kText);
  f.submit("c", plain.replace(plain.find("name: cache"), 11, "name: plain"));
  EXPECT_EQ(f.phase("c"), "Error");
  EXPECT_THAT(f.message("c"), HasSubstr("has no label"));
}

TEST(Engine, WhoWatchesAWorkflowIsToldOfItsNodesNowAndThen) {
  Factory f;
  f.submit("w", kTwoSteps);
  const auto revision = [&] {
    Revision seen;
    EXPECT_TRUE(f.store.input(
        [&](store::Turn& turn) { seen = turn.get(Factory::key("workflows.argoproj.io", "w"))->revision; }));
    f.settle();
    return seen;
  };
  const std::string pod(api::string_at(f.pods().front(), {"metadata", "name"}));
  const auto wait_for = [&](std::string_view why) {
    f.change("pods", pod, [&](api::Json& p) {
      api::set(p, {"status", "phase"}, "Pending");
      api::set(p, {"status", "conditions"},
               Factory::yaml("[{type: PodScheduled, status: 'False', reason: Unschedulable, message: " +
                             std::string(why) + "}]"));
    });
  };
  f.advance(std::chrono::seconds(5));
  const Revision before = revision();
  wait_for("one");
  const Revision told = revision();
  EXPECT_GT(told, before) << "of the node";
  for (const std::string_view why : {"two", "three", "four"}) wait_for(why);
  EXPECT_EQ(revision(), told) << "not of each change";
  f.advance(std::chrono::seconds(1));
  const Revision last = revision();
  EXPECT_GT(last, told) << "but of the last";
  f.advance(std::chrono::seconds(60));
  EXPECT_EQ(revision(), last) << "and of nothing, where nothing changes";
}

}  // namespace
}  // namespace ingot::pipelines
