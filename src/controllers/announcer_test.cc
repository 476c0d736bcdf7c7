#include "controllers/announcer.h"

#include <gtest/gtest.h>

#include "store/testing.h"

namespace ingot::controllers {
namespace {

struct AnnouncerTest : testing::Test {
  store::Fixture f;
  Announcer announcer{f.t.env, *f.shard};

  Announcement of(int pod) {
    const std::string name = "p" + std::to_string(pod);
    return {api::Key("c1/pods/default/" + name), "uid-" + name, "onto n", f.t.clock.wall()};
  }
  size_t events() {
    size_t n = 0;
    f.t.loop.run_until_idle();
    EXPECT_TRUE(f.shard->submit(
        [&](store::Turn& turn) { turn.range("c1/events/", "", [&](const api::ObjectPtr&) { return ++n; }); },
        store::Shard::Kind::Reads));
    f.t.loop.run_until_idle();
    return n;
  }
};

TEST_F(AnnouncerTest, SaysItWhenTheTurnIsOver) {
  size_t at_once = 0;
  ASSERT_TRUE(f.shard->submit([&](store::Turn& turn) {
    for (int i = 0; i < 100; ++i) announcer.say(turn, of(i));
    turn.range("c1/events/", "", [&](const api::ObjectPtr&) { return ++at_once; });
  }));
  EXPECT_EQ(events(), 100u);
  EXPECT_EQ(at_once, 0u);
}

TEST_F(AnnouncerTest, BeyondItsLimitNothingIsLost) {
  const int more = int(Announcer::kMost) + 5;
  size_t at_once = 0;
  ASSERT_TRUE(f.shard->submit([&](store::Turn& turn) {
    for (int i = 0; i < more; ++i) announcer.say(turn, of(i));
    turn.range("c1/events/", "", [&](const api::ObjectPtr&) { return ++at_once; });
  }));
  EXPECT_EQ(events(), size_t(more));
  EXPECT_EQ(at_once, 5u);
}

TEST_F(AnnouncerTest, WhatDidNotHappenIsNotSaid) {
  ASSERT_TRUE(f.shard->submit([&](store::Turn& turn) {
    announcer.say(turn, of(1));
    announcer.clear();
  }));
  EXPECT_EQ(events(), 0u);
}

}  // namespace
}  // namespace ingot::controllers
