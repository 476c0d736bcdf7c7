#include <gmock/gmock.h>

#include "workflow/testing.h"

namespace ingot::workflow {
namespace {

TEST(Run, NoMoreAtATimeThanAllowed) {
  Bench b(with_say(R"(
entrypoint: main
parallelism: 2
templates:
- name: main
  steps:
  - - {name: a, template: say, withSequence: {count: 5}}
)"));
  EXPECT_EQ(b.running().size(), 2u);
  for (int i = 0; i < 5; ++i) {
    EXPECT_LE(b.running().size(), 2u);
    if (i == 2) b.again();
    b.end("wf[0].a(" + std::to_string(i) + ":" + std::to_string(i) + ")");
  }
  EXPECT_EQ(b.run->phase(), Phase::Succeeded);
}

TEST(Run, AnExitHandlerAsksForNoRoom) {
  Bench b("parallelism: 1\nonExit: say" + with_say(R"(
entrypoint: main
templates:
- name: main
  steps:
  - - {name: a, template: say, hooks: {exit: {template: say}}}
    - {name: b, template: say}
)"));
  b.end("wf[0].a");
  EXPECT_THAT(b.running(), testing::Contains("wf[0].a.onExit"));
  while (!b.pods.empty()) b.end(b.pods.begin()->first);
  EXPECT_EQ(b.run->phase(), Phase::Succeeded);
  EXPECT_EQ(b.started.size(), 4u);
}

TEST(Run, ALongLoopIsBegunSomeAtATime) {
  Bench b(with_say(R"(
entrypoint: main
templates:
- name: main
  dag:
    tasks:
    - {name: A, template: say}
    - {name: B, template: say, depends: A, withSequence: {count: 100}}
    - {name: C, template: say, depends: A, withSequence: {count: 100}, when: "{{item}} < 0"}
)"));
  b.run->allow(10);
  b.end("wf.A");
  EXPECT_LE(b.running().size(), 10u);
  EXPECT_TRUE(b.run->more());
  size_t rounds = 0;
  for (; b.run->more(); ++rounds) {
    const size_t before = b.run->nodes().size();
    b.run->allow(10);
    b.pass(0s);
    EXPECT_LE(b.run->nodes().size(), before + 11);
  }
  EXPECT_GT(rounds, 15u);
  EXPECT_EQ(b.running().size(), 100u);
  b.run->allow(1'000);
  while (!b.pods.empty()) b.end(b.pods.begin()->first);
  EXPECT_EQ(b.run->phase(), Phase::Succeeded);
}

// Recursion without end, stopped while it grows: groups that are not whole end with what they are of.
TEST(Run, WhatGrowsIsStopped) {
  constexpr std::string_view kGrows = R"(
entrypoint: main
templates:
- name: main
  steps:
  - - {name: x, template: TEMPLATE}
    - {name: y, template: main}
    - {name: z, template: main}
- name: dag
  dag:
    tasks:
    - {name: p, template: main}
    - {name: q, template: main}
)";
  for (const std::string_view other : {"main", "dag"})
    for (const bool crash : {false, true}) {
      std::string text(kGrows);
      text.replace(text.find("TEMPLATE"), 8, other);
      Bench grows(text, "wf", nullptr, 50);
      for (int i = 0; i < 10; ++i) {
        grows.run->allow(50);
        grows.pass(0s);
      }
      EXPECT_TRUE(grows.run->more());
      if (crash) grows.again(0);
      grows.run->shut_down(Shutdown::Terminate, grows.now);
      EXPECT_TRUE(grows.run->over()) << other << crash;
      EXPECT_EQ(grows.run->phase(), Phase::Failed);
    }
}

// Whatever of it is stored at any moment, it goes on from there as it would have.
TEST(Run, GoesOnAfterACrashAnywhere) {
  constexpr std::string_view kAll = R"(
entrypoint: main
templates:
- name: main
  dag:
    tasks:
    - {name: A, template: say}
    - {name: L, template: say, depends: A, withSequence: {count: 3}}
    - {name: S, template: inner, depends: A}
    - {name: Z, template: say, depends: "L && S"}
- name: inner
  steps:
  - - {name: p, template: flaky}
    - {name: q, template: say, withItems: [1, 2]}
  - - {name: r, template: say}
- name: flaky
  retryStrategy: {limit: 3}
  container: {image: i}
)";
  std::vector<std::string> straight;
  for (int crash = -1; crash < 12; ++crash) {
    Bench b(with_say(std::string(kAll)));
    for (int step = 0; !b.pods.empty() && step < 50; ++step) {
      if (step == crash) b.again();
      const std::string next = b.pods.begin()->first;
      b.end(next, next.ends_with("p(0)") ? Phase::Failed : Phase::Succeeded);
    }
    EXPECT_TRUE(b.run->over()) << crash;
    EXPECT_EQ(b.run->phase(), Phase::Succeeded) << crash;
    std::ranges::sort(b.started);
    if (crash < 0) straight = b.started;
    EXPECT_EQ(b.started, straight) << crash;
  }
}

}  // namespace
}  // namespace ingot::workflow
