#include "store/follower.h"

#include "store/testing.h"

namespace ingot::store {
namespace {

struct Notes final : Follower::Handler {
  std::vector<std::string> seen;
  int again = 0;  // times it asks to be called again
  bool follow(Turn& turn, const std::vector<Key>& changed, bool rest) override {
    std::string text;
    for (const Key& key : changed) text += (turn.get(key) ? "+" : "-") + std::string(key.name()) + " ";
    seen.push_back(text + (rest ? "…" : ""));
    return again-- > 0;
  }
  void reset() override { seen.push_back("reset"); }
  std::vector<std::string> take() { return std::exchange(seen, {}); }
};
using Seen = std::vector<std::string>;

TEST(Follower, BeginsWithEverythingThenTheChanges) {
  Fixture f;
  ASSERT_TRUE(f.put("pods", "a") && f.put("nodes", "n") && f.put("configmaps", "other"));
  Notes notes;
  Follower follower(f.t.env, *f.shard, {{{"", "pods"}, {"", "nodes"}}}, notes);
  f.t.loop.run_until_idle();
  EXPECT_EQ(notes.take(), Seen{"+n +a "});
  ASSERT_TRUE(f.put("pods", "b") && f.erase("pods", "a"));
  const Seen seen = notes.take();
  EXPECT_EQ(seen, (Seen{"+b ", "-a "}));
}

TEST(Follower, HandsOverBatches) {
  Fixture f;
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(f.put("pods", name));
  Notes notes;
  Follower follower(f.t.env, *f.shard, {{{"", "pods"}}, 2}, notes);
  f.t.loop.run_until_idle();
  EXPECT_EQ(notes.take(), (Seen{"+a +b …", "+c "}));
}

TEST(Follower, WhatChangedFirstComesFirst) {
  Fixture f;
  Notes notes;
  Follower follower(f.t.env, *f.shard, {{{"", "pods"}}, 2}, notes);
  f.t.loop.run_until_idle();
  notes.take();
  ASSERT_TRUE(f.input([](Turn& turn) {
    for (const char* name : {"d", "b", "a", "d", "c"})
      ASSERT_TRUE(turn.put(Fixture::key("pods", name), Json{}));
  }));
  EXPECT_EQ(notes.take(), (Seen{"+b +d …", "+a +c "}));
}

TEST(Follower, WakesWhenAskedAndAtATime) {
  using namespace std::chrono_literals;
  Fixture f;
  Notes notes;
  Follower follower(f.t.env, *f.shard, {{{"", "pods"}}}, notes);
  f.t.loop.run_until_idle();
  EXPECT_EQ(notes.take(), Seen{""});
  notes.again = 1;
  follower.wake();
  f.t.loop.run_until_idle();
  EXPECT_EQ(notes.take(), (Seen{"", ""}));
  follower.wake_at(f.t.clock.now() + 20s);
  follower.wake_at(f.t.clock.now() + 10s);
  f.t.loop.advance(9s);
  EXPECT_EQ(notes.take(), Seen{});
  f.t.loop.advance(1s);
  EXPECT_EQ(notes.take(), Seen{""});
}

TEST(Follower, AfterAFailedCommitEverythingComesAgain) {
  Fixture f;
  ASSERT_TRUE(f.put("pods", "a"));
  // What it read together with a write that is lost may be lost too.
  struct Writer final : Follower::Handler {
    Notes notes;
    int writes = 1;
    bool follow(Turn& turn, const std::vector<Key>& changed, bool rest) override {
      notes.follow(turn, changed, rest);
      if (writes-- > 0) (void)turn.put(Fixture::key("configmaps", "made"), Json{{"spec", 1}});
      return false;
    }
    void reset() override { notes.reset(); }
  } writer;
  f.t.faults.arm("store.commit.fail");
  Follower follower(f.t.env, *f.shard, {{{"", "pods"}}}, writer);
  f.t.loop.run_until_idle();
  f.t.loop.advance(std::chrono::seconds(5));
  const Seen seen = writer.notes.take();
  ASSERT_GE(seen.size(), 3u);
  EXPECT_EQ(seen[0], "+a ");
  EXPECT_EQ(seen[1], "reset");
  EXPECT_EQ(seen.back(), "+a ");
}

TEST(Follower, AFollowerThatIsGoneIsNotCalled) {
  Fixture f;
  Notes notes;
  {
    Follower follower(f.t.env, *f.shard, {{{"", "pods"}}}, notes);
    f.t.loop.run_until_idle();
    notes.take();
    ASSERT_TRUE(
        f.shard->submit([](Turn& turn) { (void)turn.put(Fixture::key("pods", "a"), Json{{"spec", 1}}); }));
  }
  f.t.loop.run_until_idle();
  EXPECT_EQ(notes.take(), Seen{});
}

}  // namespace
}  // namespace ingot::store
