#include "workflow/locks.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "workflow/testing.h"

namespace ingot::workflow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Locks, NamesAreOfANamespace) {
  EXPECT_THAT(*lock_names(yaml("{mutexes: [{name: a}, {name: b, namespace: other}, {name: a}]}"), "ns"),
              ElementsAre("ns/Mutex/a", "other/Mutex/b"));
  EXPECT_THAT(*lock_names(yaml("{semaphores: [{configMapKeyRef: {name: m, key: k}}]}"), "ns"),
              ElementsAre("ns/ConfigMap/m/k"));
  EXPECT_EQ(lock_names(yaml("{semaphores: [{database: {key: k}}]}"), "ns").error(),
            "synchronization.semaphores.database is not implemented");
  EXPECT_EQ(lock_names(yaml("{mutexes: [{name: a, namespace: b/Mutex/c}]}"), "ns").error(),
            "synchronization.mutexes.namespace is no name of a namespace");
  EXPECT_EQ(lock_names(yaml("{}"), "ns").error(), "synchronization: names no mutex and no semaphore");
}

Claim claim(std::string holder, std::vector<std::string> locks, int64_t priority = 0, int64_t age = 0) {
  return {.holder = std::move(holder),
          .locks = std::move(locks),
          .priority = priority,
          .created = WallTime(std::chrono::seconds(100 - age))};
}

TEST(Locks, TheFirstByPriorityThenByAgeThenByAsking) {
  Locks locks;
  EXPECT_TRUE(locks.take(claim("n/a", {"n/Mutex/m"}))->held);
  const auto answer = locks.take(claim("n/b", {"n/Mutex/m"}));
  EXPECT_FALSE(answer->held);
  EXPECT_EQ(answer->message, "Waiting for n/Mutex/m lock. Lock status: 0/1");
  EXPECT_FALSE(locks.take(claim("n/c", {"n/Mutex/m"}))->held);
  EXPECT_FALSE(locks.take(claim("n/old", {"n/Mutex/m"}, 0, 50))->held);
  EXPECT_FALSE(locks.take(claim("n/urgent", {"n/Mutex/m"}, 7))->held);
  std::vector<std::string> order;
  for (std::string holder = "n/a"; !locks.idle();) {
    locks.release(holder);
    for (const std::string& run : locks.told()) order.push_back(holder = locks.given(run).front());
  }
  EXPECT_THAT(order, ElementsAre("n/urgent", "n/old", "n/b", "n/c"));
}

TEST(Locks, ASemaphoreHasTheSizeOfItsConfigMapAtThatMoment) {
  Locks locks;
  int64_t size = 2;
  locks.read_sizes([&](std::string_view ns, std::string_view map, std::string_view key) -> Or<int64_t> {
    EXPECT_EQ(std::string(ns) + "/" + std::string(map), "n/m");
    if (key != "k") return std::unexpected("configmap \"m\" has no key \"" + std::string(key) + "\"");
    return size;
  });
  EXPECT_TRUE(locks.take(claim("n/a", {"n/ConfigMap/m/k"}))->held);
  EXPECT_TRUE(locks.take(claim("n/b", {"n/ConfigMap/m/k"}))->held);
  EXPECT_EQ(locks.take(claim("n/c", {"n/ConfigMap/m/k"}))->message,
            "Waiting for n/ConfigMap/m/k lock. Lock status: 0/2");
  size = 3;
  locks.resize("n", "m");
  EXPECT_TRUE(locks.holds("n/c"));
  EXPECT_EQ(locks.take(claim("n/d", {"n/ConfigMap/m/other"})).error(),
            "configmap \"m\" has no key \"other\"");
  EXPECT_EQ(api::to_text(locks.status_of("n/a")),
            R"({"semaphore":{"holding":[{"semaphore":"n/ConfigMap/m/k","holders":["n/a"]}]}})");
}

TEST(Locks, AllOfAListOrNone) {
  Locks locks;
  locks.take(claim("n/a", {"n/Mutex/x"})).value();
  EXPECT_FALSE(locks.take(claim("n/b", {"n/Mutex/x", "n/Mutex/y"}))->held);
  EXPECT_TRUE(locks.take(claim("n/c", {"n/Mutex/y"}))->held) << "y is free for who needs only that";
  locks.release("n/a");
  EXPECT_FALSE(locks.holds("n/b"));
  locks.release("n/c");
  EXPECT_TRUE(locks.holds("n/b"));
}

TEST(Locks, NothingIsGivenBeforeAllThatIsHeldIsKnown) {
  Locks locks;
  locks.close();
  EXPECT_FALSE(locks.take(claim("n/b", {"n/Mutex/x"}))->held);
  EXPECT_FALSE(locks.take(claim("n/c", {"n/Mutex/y"}))->held);
  locks.hold(claim("n/a", {"n/Mutex/x"}));
  locks.open();
  EXPECT_FALSE(locks.holds("n/b"));
  EXPECT_TRUE(locks.holds("n/c"));
  locks.forget("n/a");
  EXPECT_TRUE(locks.holds("n/b"));
}

TEST(Locks, WhoWaitsForEachOtherIsTold) {
  Locks locks;
  locks.take(claim("n/one", {"n/Mutex/x"})).value();
  locks.take(claim("n/two", {"n/Mutex/y"})).value();
  Claim first = claim("n/one/1", {"n/Mutex/y"}), second = claim("n/two/1", {"n/Mutex/x"});
  first.above = {"n/one"};
  second.above = {"n/two"};
  EXPECT_EQ(locks.take(first)->message, "Waiting for n/Mutex/y lock. Lock status: 0/1");
  EXPECT_THAT(locks.take(second)->message, HasSubstr("Deadlock: n/one and this wait for each other"));
  locks.forget("n/one");
  EXPECT_TRUE(locks.holds("n/two/1"));
}

TEST(Locks, AHolderThatMayEndIsNoDeadlock) {
  Locks locks;
  locks.read_sizes([](auto...) -> Or<int64_t> { return 2; });
  locks.take(claim("n/one", {"n/Mutex/x"})).value();
  locks.take(claim("n/two", {"n/ConfigMap/m/k"})).value();
  locks.take(claim("n/free", {"n/ConfigMap/m/k"})).value();
  Claim first = claim("n/one/1", {"n/ConfigMap/m/k"}), second = claim("n/two/1", {"n/Mutex/x"});
  first.above = {"n/one"};
  second.above = {"n/two"};
  locks.take(first).value();
  EXPECT_THAT(locks.take(second)->message, Not(HasSubstr("Deadlock")));
}

constexpr std::string_view kLockedSteps = R"(
entrypoint: main
templates:
- name: main
  steps:
  - - {name: a, template: locked}
    - {name: b, template: locked}
- name: locked
  synchronization: {mutexes: [{name: "m-{{workflow.name}}"}]}
  container: {image: i}
)";

TEST(RunLocks, OneNodeAtATimeHoldsAMutex) {
  Bench b(kLockedSteps);
  EXPECT_THAT(b.running(), ElementsAre("wf[0].a"));
  EXPECT_EQ(b.phase("wf[0].b"), "Pending");
  EXPECT_EQ(b.node("wf[0].b").message, "Waiting for default/Mutex/m-wf lock. Lock status: 0/1");
  const Json& row = b.stored.at(b.node("wf[0].b").id);
  EXPECT_EQ(api::string_at(row, {"synchronizationStatus", "waiting"}), "default/Mutex/m-wf");
  const std::string id = b.node("wf[0].a").id;
  EXPECT_EQ(api::to_text(*b.run->synchronization()),
            R"({"mutex":{"holding":[{"mutex":"default/Mutex/m-wf","holder":"default/wf/)" + id +
                R"("}],"waiting":[{"mutex":"default/Mutex/m-wf","holder":"default/wf/)" + id + R"("}]}})");
  b.again();
  EXPECT_THAT(b.running(), ElementsAre("wf[0].a"));
  b.end("wf[0].a", Phase::Failed);
  b.pass(1s);
  EXPECT_THAT(b.running(), ElementsAre("wf[0].b"));
  EXPECT_EQ(b.node("wf[0].b").message, "");
  b.end("wf[0].b");
  EXPECT_EQ(b.run->phase(), Phase::Failed);
  EXPECT_TRUE(b.own.idle());
}

constexpr std::string_view kLockedRun = R"(
entrypoint: main
synchronization: {mutexes: [{name: m}]}
onExit: main
templates:
- {name: main, container: {image: i}}
)";

TEST(RunLocks, ARunWaitsForAnother) {
  Locks locks;
  Bench a(kLockedRun, "a", &locks), b(kLockedRun, "b", &locks);
  EXPECT_EQ(b.run->phase(), Phase::Pending);
  EXPECT_EQ(b.run->message(), "Waiting for default/Mutex/m lock. Lock status: 0/1");
  EXPECT_TRUE(b.run->nodes().empty());
  a.again();
  b.again();
  a.end("a");
  EXPECT_FALSE(locks.holds("default/b")) << "its exit handler holds it, too";
  a.end("a.onExit");
  EXPECT_THAT(locks.told(), testing::Contains("default/b"));
  b.pass(1s);
  EXPECT_EQ(b.run->message(), "");
  EXPECT_THAT(b.running(), ElementsAre("b"));
}

TEST(RunLocks, WhateverEndsARunGivesItsLocksBack) {
  for (const Shutdown how : {Shutdown::Stop, Shutdown::Terminate}) {
    Locks locks;
    Bench a(kLockedRun, "a", &locks), b(kLockedRun, "b", &locks), c(kLockedSteps, "c", &locks);
    b.run->shut_down(how, b.now);
    EXPECT_EQ(b.run->phase(), Phase::Failed);
    c.run->shut_down(how, c.now);
    EXPECT_EQ(c.phase("c[0].b"), "Failed");
    EXPECT_TRUE(c.run->over());
    a.run->shut_down(Shutdown::Terminate, a.now);
    EXPECT_TRUE(locks.idle());
  }
}

TEST(RunLocks, EveryAttemptIsWithinTheLock) {
  Bench b(R"(
entrypoint: main
templates:
- name: main
  steps:
  - - {name: a, template: t}
    - {name: b, template: t}
- name: t
  synchronization: {mutexes: [{name: m}]}
  retryStrategy: {limit: 1}
  container: {image: i}
)");
  b.end("wf[0].a(0)", Phase::Failed);
  EXPECT_THAT(b.running(), ElementsAre("wf[0].a(1)"));
  b.again();
  EXPECT_THAT(b.running(), ElementsAre("wf[0].a(1)"));
  b.end("wf[0].a(1)");
  b.pass(1s);
  EXPECT_THAT(b.running(), ElementsAre("wf[0].b(0)"));
}

TEST(RunLocks, StepsThatWaitBeginWithTheirLock) {
  Bench b(with_say(R"(
entrypoint: main
templates:
- name: main
  dag:
    tasks:
    - {name: A, template: inner}
    - {name: B, template: inner}
- name: inner
  synchronization: {mutexes: [{name: m}]}
  steps:
  - - {name: s, template: say}
)"));
  EXPECT_THAT(b.running(), ElementsAre("wf.A[0].s"));
  EXPECT_EQ(b.phase("wf.B"), "Pending");
  b.again();
  b.end("wf.A[0].s");
  b.pass(1s);
  EXPECT_THAT(b.running(), ElementsAre("wf.B[0].s"));
  b.end("wf.B[0].s");
  EXPECT_EQ(b.run->phase(), Phase::Succeeded);
}

TEST(RunLocks, WhatIsTriedAgainWaitsWithWhatItIsOf) {
  const auto text = [](std::string_view steps) {
    return with_say(fmt::format(R"(
entrypoint: main
templates:
- name: main
  steps:
  - - {{name: o, template: outer}}
- name: outer
  synchronization: {{mutexes: [{{name: m}}]}}
  steps: [[{{name: i, template: inner}}]]
- name: inner
  steps: {}
)",
                                steps));
  };
  Locks locks;
  Bench b(text("[[{name: s, template: say}], [{name: t, template: say}]]"), "b", &locks);
  b.end("b[0].o[0].i[0].s");
  b.end("b[0].o[0].i[1].t", Phase::Failed);
  EXPECT_EQ(b.run->phase(), Phase::Failed);
  Bench a(text("[[{name: s, template: say}]]"), "a", &locks);
  EXPECT_THAT(a.running(), ElementsAre("a[0].o[0].i[0].s"));
  // As begin_again() leaves it.
  std::erase_if(b.stored, [](const auto& entry) {
    return api::string_at(entry.second, {"type"}) == "Pod" &&
           api::string_at(entry.second, {"phase"}) == "Failed";
  });
  for (auto& [id, json] : b.stored)
    if (api::string_at(json, {"phase"}) == "Failed") {
      api::set(json, {"phase"}, "Running");
      for (const std::string_view field : {"message", "finishedAt"}) api::erase(json, {field});
    }
  const auto reread = [&] {
    b.again();
    a.again();
    b.pass(1s);
  };
  reread();
  EXPECT_EQ(b.phase("b[0].o"), "Pending");
  EXPECT_THAT(b.running(), ElementsAre()) << "what is of it waits with it";
  reread();
  EXPECT_THAT(b.running(), ElementsAre());
  a.end("a[0].o[0].i[0].s");
  b.pass(1s);
  EXPECT_THAT(b.running(), ElementsAre("b[0].o[0].i[1].t")) << "and what succeeded is not begun again";
  b.end("b[0].o[0].i[1].t");
  EXPECT_EQ(b.run->phase(), Phase::Succeeded);
}

TEST(RunLocks, TwoRunsThatTakeEachOthersMutexAreTold) {
  const auto text = [](std::string other) {
    return with_say(R"(
entrypoint: main
synchronization: {mutexes: [{name: "{{workflow.name}}"}]}
templates:
- name: main
  steps:
  - - {name: s, template: say}
  - - {name: t, template: inner}
- name: inner
  synchronization: {mutexes: [{name: )" +
                    other + R"(}]}
  container: {image: i}
)");
  };
  Locks locks;
  Bench a(text("b"), "a", &locks), b(text("a"), "b", &locks), c(text("c-own"), "c", &locks);
  a.end("a[0].s");
  EXPECT_EQ(a.node("a[1].t").message, "Waiting for default/Mutex/b lock. Lock status: 0/1");
  b.end("b[0].s");
  EXPECT_THAT(b.node("b[1].t").message, HasSubstr("Deadlock: default/a and this wait for each other"));
  c.end("c[0].s");
  EXPECT_THAT(c.running(), ElementsAre("c[1].t")) << "others are unaffected";
  b.run->shut_down(Shutdown::Terminate, b.now);
  a.pass(1s);
  EXPECT_THAT(a.running(), ElementsAre("a[1].t"));
}

TEST(RunLocks, WhatCanNeverBeHadIsAnError) {
  Bench b(R"(
entrypoint: main
templates:
- name: main
  synchronization: {semaphores: [{configMapKeyRef: {name: m, key: k}}]}
  container: {image: i}
)");
  EXPECT_EQ(b.run->phase(), Phase::Error);
  EXPECT_THAT(b.run->message(), HasSubstr("Failed to acquire the synchronization lock. "));
}

}  // namespace
}  // namespace ingot::workflow
