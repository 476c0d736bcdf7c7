#include "store/testing.h"

namespace ingot::store {
namespace {
using std::chrono_literals::operator""s;
using Seen = std::vector<std::string>;

TEST(Watch, FromNothingListsFirstThenFollows) {
  Fixture f;
  ASSERT_TRUE(f.put("pods", "b"));
  ASSERT_TRUE(f.put("pods", "a"));
  const auto w = f.watch({"c1", "pods"});
  EXPECT_EQ(w->take(), (Seen{"+a@2", "+b@1", "=2"}));
  ASSERT_TRUE(f.put("pods", "a"));
  ASSERT_TRUE(f.put("secrets", "s"));
  ASSERT_TRUE(f.erase("pods", "b"));
  EXPECT_EQ(w->take(), (Seen{"~a@3", "-b@5"}));
}

TEST(Watch, ResumesAfterARevision) {
  Fixture f;
  for (const char* name : {"a", "b", "a"}) ASSERT_TRUE(f.put("pods", name));
  EXPECT_EQ(f.watch({}, Revision(1))->take(), (Seen{"+b@2", "~a@3", "=3"}));
  EXPECT_EQ(f.watch({}, Revision(3))->take(), (Seen{"=3"}));
}

TEST(Watch, SeesOnlyItsScope) {
  Fixture f;
  const std::vector<std::pair<Scope, Seen>> cases = {
      {{}, {"+a@1", "+b@2", "+c@3", "+d@4"}},    {{"c1"}, {"+a@1", "+b@2", "+c@3"}},
      {{"c1", "pods"}, {"+a@1", "+c@3"}},        {{"", "pods"}, {"+a@1", "+c@3", "+d@4"}},
      {{"c1", "pods", "other"}, {"+c@3"}},       {{"", "pods", "default"}, {"+a@1", "+d@4"}},
      {{"c1", "", "default"}, {"+a@1", "+b@2"}}, {{"c2", "secrets"}, {}},
  };
  std::vector<std::shared_ptr<NotingWatcher>> live;
  for (const auto& [scope, seen] : cases) {
    live.push_back(f.watch(scope));
    EXPECT_EQ(live.back()->take(), Seen{"=0"});
  }
  ASSERT_TRUE(f.input([](Turn& turn) {
    ASSERT_TRUE(turn.put(Fixture::key("pods", "a"), Json{}));
    ASSERT_TRUE(turn.put(Fixture::key("secrets", "b"), Json{}));
    ASSERT_TRUE(turn.put(Key(ClusterId("c1"), "pods", "other", "c"), Json{}));
    ASSERT_TRUE(turn.put(Fixture::key("pods", "d", "c2"), Json{}));
  }));
  for (size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(live[i]->take(), cases[i].second) << "live, case " << i;
    Seen caught_up = f.watch(cases[i].first)->take();
    ASSERT_EQ(caught_up.back(), "=4");
    caught_up.pop_back();
    std::ranges::sort(caught_up);
    EXPECT_EQ(caught_up, cases[i].second) << "listed, case " << i;
  }
}

TEST(Watch, BookmarksOfManyAreToldInPieces) {
  Fixture f;
  struct Slow final : Watcher {
    Fixture& f;
    std::string& seen;
    Slow(Fixture& fixture, std::string& s) : f(fixture), seen(s) {}
    bool on_change(const Change&) override { return true; }
    void on_revision(Revision) override {
      seen += 'b';
      f.t.clock.advance(std::chrono::milliseconds(2));
      f.t.loop.post([this] { seen += '|'; });
    }
    void on_end(const Error&) override { seen += '!'; }
  };
  std::string seen;
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(f.shard->watch({"c1", "secrets"}, Revision(0), std::make_shared<Slow>(f, seen)));
  f.t.loop.run_until_idle();
  seen.clear();
  ASSERT_TRUE(f.put("pods", "a"));
  f.t.loop.advance(f.options.bookmark_every);
  EXPECT_EQ(seen, "b|b|b|");
}

TEST(Watch, OfANodeSeesWhatIsOrWasItsAlone) {
  Fixture f;
  const auto bind = [&](std::string_view pod, std::string_view node) {
    Json object;
    if (!node.empty()) api::set(object, {"spec", "nodeName"}, node);
    ASSERT_TRUE(f.input([&](Turn& turn) { ASSERT_TRUE(turn.put(Fixture::key("pods", pod), object)); }));
  };
  const std::vector<Scope> scopes{{"c1", "pods", "", "n1"}, {"", "pods", "", "n1"}, {"c1", "pods", "", "n2"}};
  std::vector<std::shared_ptr<NotingWatcher>> live;
  for (const Scope& scope : scopes) live.push_back(f.watch(scope));
  bind("a", "");
  bind("a", "n1");
  bind("b", "n2");
  bind("a", "n2");
  ASSERT_TRUE(f.erase("pods", "b"));
  const std::vector<Seen> seen{{"~a@2", "~a@4"}, {"~a@2", "~a@4"}, {"+b@3", "~a@4", "-b@5"}};
  for (size_t i = 0; i < scopes.size(); ++i) {
    Seen now = live[i]->take();
    ASSERT_EQ(now.front(), "=0");
    now.erase(now.begin());
    EXPECT_EQ(now, seen[i]) << "live, scope " << i;
    now = f.watch(scopes[i], Revision(1))->take();
    ASSERT_EQ(now.back(), "=5");
    now.pop_back();
    EXPECT_EQ(now, seen[i]) << "from history, scope " << i;
  }
  f.reopen();
  EXPECT_EQ(f.watch(scopes[0])->take(), Seen{"=5"});
  EXPECT_EQ(f.watch(scopes[2])->take(), (Seen{"+a@4", "=5"}));
}

TEST(Watch, ManyChangesArePublishedInPieces) {
  Fixture f;
  struct Slow final : Watcher {
    Fixture& f;
    std::string& seen;
    Slow(Fixture& fixture, std::string& s) : f(fixture), seen(s) {}
    bool on_change(const Change& change) override {
      seen += change.object->key.name();
      f.t.clock.advance(std::chrono::milliseconds(2));
      f.t.loop.post([this] { seen += '|'; });
      return true;
    }
    void on_end(const Error&) override { seen += '!'; }
  };
  std::string seen;
  ASSERT_TRUE(f.shard->watch({}, Revision(0), std::make_shared<Slow>(f, seen)));
  f.t.loop.run_until_idle();
  ASSERT_TRUE(f.input([](Turn& turn) {
    for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(turn.put(Fixture::key("pods", name), Json{}));
  }));
  EXPECT_EQ(seen, "a|b|c|");
  const auto late = f.watch({}, Revision(1));
  EXPECT_EQ(late->take(), (Seen{"+b@2", "+c@3", "=3"}));
}

TEST(Watch, ShowsNothingThatMayStillBeLost) {
  Fixture f;
  env::QueuedWorker worker(f.t.loop);
  env::Env env{f.t.clock, f.t.loop, worker, f.t.entropy, f.t.disk, f.t.faults, f.t.log};
  f.shard.reset();
  f.shard = std::move(*Shard::open(env, f.options));
  const auto put = [&](const char* name) {
    ASSERT_TRUE(
        f.shard->submit([name](Turn& turn) { ASSERT_TRUE(turn.put(Fixture::key("pods", name), Json{})); }));
    f.t.loop.run_until_idle();
  };
  const auto early = f.watch({});
  put("a");
  put("a");
  const auto late = f.watch({});
  EXPECT_EQ(early->take(), Seen{"=0"});
  EXPECT_EQ(late->take(), Seen{"=0"});
  worker.step();
  f.t.loop.run_until_idle();
  EXPECT_EQ(early->take(), Seen{"+a@1"});
  EXPECT_EQ(late->take(), Seen{"+a@1"});
  worker.step();
  f.t.loop.run_until_idle();
  EXPECT_EQ(early->take(), Seen{"~a@2"});
}

TEST(Watch, GoesOnAfterAFailedCommit) {
  Fixture f;
  const auto w = f.watch({});
  ASSERT_TRUE(f.put("pods", "a"));
  f.t.faults.arm("store.commit.fail");
  EXPECT_FALSE(f.put("pods", "a"));
  ASSERT_TRUE(f.put("pods", "b"));
  EXPECT_EQ(w->take(), (Seen{"=0", "+a@1", "+b@3"}));
  EXPECT_EQ(f.watch({}, Revision(1))->take(), (Seen{"+b@3", "=3"}));
}

TEST(Watch, ResumesAcrossARestart) {
  Fixture f;
  ASSERT_TRUE(f.put("pods", "a", {{"x", 1}}));
  ASSERT_TRUE(f.put("pods", "a", {{"x", 2}}));
  ASSERT_TRUE(f.erase("pods", "a"));
  f.reopen();
  EXPECT_EQ(f.watch({}, Revision(1))->take(), (Seen{"~a@2", "-a@3", "=3"}));
  EXPECT_EQ(f.watch({})->take(), Seen{"=3"});
}

TEST(Watch, ExpiresWithHistory) {
  Fixture f([](Options& o) { o.history_changes = 2; });
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(f.put("pods", "a"));
  EXPECT_EQ(f.watch({}, Revision(3))->take(), (Seen{"~a@4", "~a@5", "=5"}));
  const auto refused = f.shard->watch({}, Revision(2), std::make_shared<NotingWatcher>());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::Expired);
  EXPECT_EQ(refused.error().message, "too old resource version: 2 (3)");
}

TEST(Watch, RefusesARevisionOfTheFuture) {
  Fixture f;
  const auto refused = f.shard->watch({}, Revision(9), std::make_shared<NotingWatcher>());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::Timeout);
  EXPECT_EQ(refused.error().message, "Too large resource version: 9, current: 0");
}

TEST(Watch, ThatFallsBehindHistoryWhileCatchingUpEnds) {
  Fixture f([](Options& o) { o.history_changes = 2; });
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(f.put("pods", "a"));
  auto w = std::make_shared<NotingWatcher>();
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(
        f.shard->submit([](Turn& turn) { ASSERT_TRUE(turn.put(Fixture::key("pods", "a"), Json{})); }));
  f.t.loop.step();  // the turn, its commit not yet published
  ASSERT_TRUE(f.shard->watch({}, Revision(1), w));
  f.t.loop.run_until_idle();
  EXPECT_EQ(w->take(), Seen{"!410 too old resource version: 1 (4)"});
  EXPECT_EQ(f.shard->stats().watchers, 0u);
}

TEST(Watch, ASinkThatIsFullIsCutOff) {
  Fixture f;
  const auto slow = f.watch({}), other = f.watch({});
  slow->room = 1;
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(f.put("pods", name));
  EXPECT_EQ(slow->take(), (Seen{"=0", "+a@1", "!410 the watcher is too slow; list again"}));
  EXPECT_EQ(other->take(), (Seen{"=0", "+a@1", "+b@2", "+c@3"}));

  auto never = std::make_shared<NotingWatcher>();
  never->room = 2;
  ASSERT_TRUE(f.shard->watch({}, Revision(), never));
  f.t.loop.run_until_idle();
  EXPECT_EQ(never->take(), (Seen{"+a@1", "+b@2", "!410 the watcher is too slow; list again"}));
}

// Ends itself or another one from inside a call.
struct Remover final : Watcher {
  Shard* shard;
  std::vector<uint64_t> victims;
  int changes = 0;
  bool on_change(const Change&) override {
    ++changes;
    for (uint64_t id : victims) shard->unwatch(id);
    return true;
  }
  void on_end(const Error&) override { FAIL() << "unwatch is silent"; }
};

TEST(Watch, MayBeRemovedFromInsideACall) {
  Fixture f;
  auto first = std::make_shared<Remover>(), second = std::make_shared<Remover>();
  first->shard = second->shard = f.shard.get();
  const auto a = f.shard->watch({}, {}, first), b = f.shard->watch({}, {}, second);
  f.t.loop.run_until_idle();
  first->victims = {*a, *b};
  ASSERT_TRUE(f.put("pods", "x"));
  ASSERT_TRUE(f.put("pods", "y"));
  EXPECT_EQ(first->changes, 1);
  EXPECT_EQ(second->changes, 0);
  EXPECT_EQ(first.use_count(), 1);  // released
  EXPECT_EQ(f.shard->stats().watchers, 0u);
}

TEST(Watch, GetsBookmarksWhileThereIsNews) {
  Fixture f;
  const auto w = f.watch({"c1", "secrets"});
  EXPECT_EQ(w->take(), Seen{"=0"});
  ASSERT_TRUE(f.put("pods", "a"));
  EXPECT_EQ(w->take(), Seen{});
  f.t.loop.advance(5s);
  EXPECT_EQ(w->take(), Seen{"=1"});
  f.t.loop.advance(60s);
  EXPECT_EQ(w->take(), Seen{});
  EXPECT_EQ(f.t.loop.timers(), 0u);
}

TEST(Watch, CatchesUpInPiecesBetweenTurns) {
  Fixture f;
  ASSERT_TRUE(f.input([](Turn& turn) {
    for (int i = 0; i < 2000; ++i) ASSERT_TRUE(turn.put(Fixture::key("pods", std::to_string(i)), Json{}));
  }));
  auto w = std::make_shared<NotingWatcher>();
  ASSERT_TRUE(f.shard->watch({}, {}, w));
  f.t.loop.step();
  EXPECT_GT(w->seen.size(), 0u);
  EXPECT_LT(w->seen.size(), 2000u);
  ASSERT_TRUE(f.put("pods", "late"));
  f.t.loop.run_until_idle();
  ASSERT_EQ(w->seen.size(), 2002u);
  EXPECT_EQ(w->seen[2000], "+late@2001");
  EXPECT_EQ(w->seen[2001], "=2001");
}

TEST(History, ListsAtAnEarlierRevision) {
  Fixture f;
  ASSERT_TRUE(f.put("pods", "b"));    // 1
  ASSERT_TRUE(f.put("pods", "a"));    // 2
  ASSERT_TRUE(f.put("pods", "b"));    // 3
  ASSERT_TRUE(f.erase("pods", "a"));  // 4
  ASSERT_TRUE(f.put("pods", "c"));    // 5
  ASSERT_TRUE(f.put("pods", "a"));    // 6
  const std::vector<std::string> states = {"", "b@1", "a@2 b@1", "a@2 b@3", "b@3", "b@3 c@5", "a@6 b@3 c@5"};
  for (int restarts = 0; restarts < 2; ++restarts, f.reopen())
    for (size_t r = 0; r < states.size(); ++r) EXPECT_EQ(f.list("c1/pods/", Revision(r)), states[r]) << r;
  EXPECT_EQ(f.list("c1/pods/", Revision(3), "c1/pods/default/a"), "b@3");
  EXPECT_EQ(f.list("c1/secrets/", Revision(3)), "");
  EXPECT_EQ(f.list("c1/pods/", Revision(7)), "Too large resource version: 7, current: 6");
}

TEST(History, IsBoundedByBytesToo) {
  Fixture f([](Options& o) { o.history_bytes = 10'000; });
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(f.put("pods", "a", {{"x", std::string(1000, 'x').c_str()}}));
  EXPECT_EQ(f.list("", Revision(20)), "a@20");
  EXPECT_EQ(f.list("", Revision(15)), "a@15");
  EXPECT_EQ(f.list("", Revision(5)).find("too old resource version: 5 ("), 0u);
}

}  // namespace
}  // namespace ingot::store
