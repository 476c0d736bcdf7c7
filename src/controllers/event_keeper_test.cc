#include "controllers/event_keeper.h"

#include <gtest/gtest.h>

#include "api/parse.h"
#include "store/testing.h"

namespace ingot::controllers {
namespace {

using namespace std::chrono_literals;

struct EventKeeperTest : testing::Test {
  store::Fixture f;
  std::unique_ptr<EventKeeper> keeper = std::make_unique<EventKeeper>(f.t.env, *f.shard);

  void restart() {
    keeper = nullptr;
    f.reopen();
    keeper = std::make_unique<EventKeeper>(f.t.env, *f.shard);
    f.t.loop.run_until_idle();
  }
  void turn(store::Input input) {
    ASSERT_TRUE(f.shard->submit(std::move(input)));
    f.t.loop.run_until_idle();
  }
  void say(std::string_view cluster, int from, int to) {
    for (int i = from; i < to; i += 1'000)
      turn([&](store::Turn& t) {
        for (int n = i; n < std::min(to, i + 1'000); ++n) {
          api::Json event =
              api::parse_json(R"({"apiVersion":"v1","kind":"Event","lastTimestamp":"2099-01-01T00:00:00Z"})")
                  .value();
          api::set(event, {"metadata", "creationTimestamp"}, to_rfc3339(f.t.clock.wall()));
          EXPECT_TRUE(t.put(key(cluster, n), std::move(event)));
        }
      });
  }
  static api::Key key(std::string_view cluster, int n) {
    return {ClusterId{std::string(cluster)}, "events", "default", "e" + std::to_string(n)};
  }
  std::vector<std::string> kept(std::string_view cluster) {
    std::vector<std::string> names;
    turn([&](store::Turn& t) {
      t.range(api::type_prefix(ClusterId{std::string(cluster)}, "events"), "", [&](const api::ObjectPtr& o) {
        names.emplace_back(o->key.name());
        return true;
      });
    });
    return names;
  }
};

TEST_F(EventKeeperTest, AnHourAfterItWasLastWrittenAnEventGoes) {
  say("c1", 0, 2);
  f.t.loop.advance(40min);
  say("c1", 1, 2);
  f.t.loop.advance(21min);
  EXPECT_EQ(kept("c1"), std::vector<std::string>{"e1"});
  f.t.loop.advance(40min);
  EXPECT_TRUE(kept("c1").empty());
}

TEST_F(EventKeeperTest, WhatAnEventSaysOfTheFutureKeepsItNoLonger) {
  say("c1", 0, 1);
  f.t.loop.advance(59min);
  restart();
  EXPECT_EQ(kept("c1").size(), 1u);
  f.t.loop.advance(2min);
  EXPECT_TRUE(kept("c1").empty());
}

TEST_F(EventKeeperTest, OfTooManyOfAClusterTheOldestGo) {
  const int most = int(EventKeeper::kMost);
  say("c2", 0, 3);
  say("c1", 0, most);
  say("c1", 0, 1);  // again, and so the newest
  EXPECT_EQ(kept("c1").size(), size_t(most));
  say("c1", most, most + 2);
  const auto names = kept("c1");
  EXPECT_EQ(names.size(), size_t(most));
  EXPECT_EQ(std::ranges::count(names, "e0"), 1);
  EXPECT_EQ(std::ranges::count(names, "e1") + std::ranges::count(names, "e2"), 0);
  EXPECT_EQ(kept("c2").size(), 3u);
}

TEST_F(EventKeeperTest, ThoseThatWereTooManyBeforeAStartGoAfterIt) {
  keeper = nullptr;
  say("c1", 0, int(EventKeeper::kMost) + 200);
  restart();
  EXPECT_EQ(kept("c1").size(), EventKeeper::kMost);
}

}  // namespace
}  // namespace ingot::controllers
