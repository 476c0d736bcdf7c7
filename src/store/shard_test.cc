#include "store/shard.h"

#include "store/testing.h"

namespace ingot::store {
namespace {
using env::QueuedWorker;

// A fixture whose commits wait for the test.
struct Held {
  TempDirectory directory;
  env::TestEnv t;
  QueuedWorker worker{t.loop};
  env::Env env{t.clock, t.loop, worker, t.entropy, t.disk, t.faults, t.log};
  Options options = small_options(directory / "ingot.db");
  std::unique_ptr<Shard> shard;
  std::string told;  // what `then` said, in order: "a " or "a! "

  explicit Held(std::function<void(Options&)> change = [](Options&) {}) {
    change(options);
    shard = std::move(*Shard::open(env, options));
  }
  void put(std::string name) {
    ASSERT_TRUE(shard->submit([this, name](Turn& turn) {
      const auto stored = turn.put(Fixture::key("pods", name), Json{{"spec", 1}});
      ASSERT_TRUE(stored);
      turn.then((*stored)->revision, note(name));
    }));
    t.loop.run_until_idle();
  }
  // Answers with what it sees of an object.
  void read(std::string name) {
    ASSERT_TRUE(shard->submit([this, name](Turn& turn) {
      const ObjectPtr object = turn.get(Fixture::key("pods", name));
      turn.then(object ? object->revision : turn.revision(), note((object ? "read-" : "no-") + name));
    }));
    t.loop.run_until_idle();
  }
  Done note(std::string what) {
    return [this, what](const Result<void>& r) { told += what + (r ? " " : "! "); };
  }
  void commit() {
    ASSERT_TRUE(worker.step());
    t.loop.run_until_idle();
  }
};

TEST(Shard, StampsStoresAndReadsBack) {
  Fixture f;
  const auto stored = f.put("pods", "a", {{"x", 1}});
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ((*stored)->revision, Revision(1));
  EXPECT_EQ(api::string_at((*stored)->parse(), {"metadata", "resourceVersion"}), "1");
  EXPECT_EQ(f.get("pods", "a"), *stored);
  EXPECT_EQ(f.get("pods", "b"), nullptr);
  f.reopen();
  ASSERT_NE(f.get("pods", "a"), nullptr);
  EXPECT_EQ(f.get("pods", "a")->json, (*stored)->json);
}

TEST(Shard, WhatIsNotUtf8IsStoredSoThatItCanBeRead) {
  Fixture f;
  ASSERT_TRUE(f.put("pods", "a", {{"x", "caf\xc3"}, {"y", "\xff\xc3\xa9"}}));
  f.reopen();
  const Json read = f.get("pods", "a")->parse();
  EXPECT_EQ(api::string_at(read, {"spec", "x"}), "caf\xEF\xBF\xBD");
  EXPECT_EQ(api::string_at(read, {"spec", "y"}), "\xEF\xBF\xBD\xc3\xa9");
}

TEST(Shard, RefusesWhatChangedMeanwhileInKubernetesWords) {
  Fixture f;
  ASSERT_TRUE(f.put("jobs.batch", "a", {}, Revision(0)));
  const auto again = f.put("jobs.batch", "a", {}, Revision(0));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().reason, Reason::AlreadyExists);
  EXPECT_EQ(again.error().message, "jobs.batch \"a\" already exists");
  EXPECT_EQ(again.error().group, "batch");
  EXPECT_EQ(again.error().kind, "jobs");
  EXPECT_EQ(again.error().name, "a");

  ASSERT_TRUE(f.put("jobs.batch", "a", {}, Revision(1)));
  for (const auto& stale :
       {f.put("jobs.batch", "a", {}, Revision(1)), f.erase("jobs.batch", "a", Revision(1))}) {
    ASSERT_FALSE(stale);
    EXPECT_EQ(stale.error().reason, Reason::Conflict);
    EXPECT_EQ(stale.error().message,
              "Operation cannot be fulfilled on jobs.batch \"a\": the object has been modified; please apply "
              "your changes to the latest version and try again");
  }
  for (const auto& missing : {f.put("pods", "b", {}, Revision(7)), f.erase("pods", "b")}) {
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().reason, Reason::NotFound);
    EXPECT_EQ(missing.error().message, "pods \"b\" not found");
  }
  EXPECT_EQ(f.list("c1/"), "a@2");
}

TEST(Shard, ReadsOfATurnSeeItsWrites) {
  Fixture f;
  ASSERT_TRUE(f.input([&](Turn& turn) {
    ASSERT_TRUE(turn.put(f.key("pods", "a"), Json{}));
    EXPECT_NE(turn.get(f.key("pods", "a")), nullptr);
    EXPECT_EQ(turn.revision(), Revision(1));
    ASSERT_TRUE(turn.erase(f.key("pods", "a")));
    EXPECT_EQ(turn.get(f.key("pods", "a")), nullptr);
    EXPECT_EQ(turn.revision(), Revision(2));
  }));
}

TEST(Shard, ADeletedObjectCarriesTheRevisionOfItsDeletion) {
  Fixture f;
  ASSERT_TRUE(f.put("pods", "a", {{"x", 1}}));
  const auto last = f.erase("pods", "a");
  ASSERT_TRUE(last);
  EXPECT_EQ((*last)->revision, Revision(2));
  EXPECT_EQ(api::string_at((*last)->parse(), {"metadata", "resourceVersion"}), "2");
  EXPECT_EQ(api::int_at((*last)->parse(), {"spec", "x"}), 1);
}

TEST(Shard, RangesInKeyOrderWithinAPrefix) {
  Fixture f;
  for (const char* name : {"b", "a", "c"}) ASSERT_TRUE(f.put("pods", name));
  ASSERT_TRUE(f.put("podtemplates", "x"));
  EXPECT_EQ(f.list("c1/pods/"), "a@2 b@1 c@3");
  EXPECT_EQ(f.list("c1/pods/", {}, "c1/pods/default/a"), "b@1 c@3");
  EXPECT_EQ(f.list("c1/"), "a@2 b@1 c@3 x@4");
  EXPECT_EQ(f.list("c2/"), "");
}

TEST(Shard, AWalkMayEraseWhatItVisits) {
  Fixture f;
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(f.put("pods", name));
  std::string visited;
  ASSERT_TRUE(f.input([&](Turn& turn) {
    turn.range("c1/pods/", "", [&](const ObjectPtr& o) {
      visited += o->key.name();
      EXPECT_TRUE(turn.erase(o->key));
      return true;
    });
  }));
  EXPECT_EQ(visited, "abc");
  EXPECT_EQ(f.list(""), "");
}

TEST(Shard, ErasesATenantPieceByPiece) {
  Fixture f;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(f.put("pods", std::string(1, char('a' + i))));
  ASSERT_TRUE(f.input([](Turn& turn) { ASSERT_TRUE(turn.put(Fixture::key("pods", "z", "c10"), Json{})); }));
  size_t left = 99;
  const auto erase = [&](Turn& turn) { left = turn.erase_range("c1/", 2); };
  ASSERT_TRUE(f.input(erase));
  EXPECT_EQ(left, 3u);
  ASSERT_TRUE(f.input(erase));
  ASSERT_TRUE(f.input(erase));
  EXPECT_EQ(left, 0u);
  EXPECT_EQ(f.list(""), "z@6");
}

TEST(Commit, ManyInputsShareOne) {
  Held h;
  for (int i = 0; i < 10; ++i)
    ASSERT_TRUE(h.shard->submit([&, i](Turn& turn) {
      ASSERT_TRUE(turn.put(Fixture::key("pods", std::to_string(i)), Json{}));
      turn.then(turn.revision(), h.note(std::to_string(i)));
    }));
  h.t.loop.run_until_idle();
  EXPECT_EQ(h.told, "");
  h.commit();
  EXPECT_EQ(h.told, "0 1 2 3 4 5 6 7 8 9 ");
  EXPECT_EQ(h.worker.waiting(), 0u);
  EXPECT_EQ(h.shard->stats().commits, 1u);
  EXPECT_EQ(h.shard->stats().durable, Revision(10));
}

TEST(Commit, OverlapsTheNextTurnsOneInFlight) {
  Held h;
  h.put("a");
  h.put("b");
  h.put("c");
  EXPECT_EQ(h.worker.waiting(), 1u);
  h.commit();
  EXPECT_EQ(h.told, "a ");
  EXPECT_EQ(h.worker.waiting(), 1u);
  h.commit();
  EXPECT_EQ(h.told, "a b c ");
  EXPECT_EQ(h.shard->stats().commits, 2u);
}

TEST(Commit, AReadWaitsForWhatItShowsAndForNothingElse) {
  Held h;
  h.put("a");
  h.commit();
  h.put("b");
  h.put("c");
  h.told.clear();
  h.read("a");
  EXPECT_EQ(h.told, "read-a ");
  h.read("c");
  h.read("b");
  h.read("x");  // might show the absence that a later write made
  EXPECT_EQ(h.told, "read-a ");
  h.commit();
  EXPECT_EQ(h.told, "read-a b read-b ");
  h.commit();
  EXPECT_EQ(h.told, "read-a b read-b c read-c no-x ");
}

TEST(Commit, WaitsForRowsOfTheSameInput) {
  Held h;
  ASSERT_TRUE(h.shard->submit([&](Turn& turn) {
    turn.then(Revision(0), h.note("row"));
    turn.append({.stream = "audit", .data = "{}"});
  }));
  h.t.loop.run_until_idle();
  EXPECT_EQ(h.told, "");
  h.commit();
  EXPECT_EQ(h.told, "row ");
}

TEST(Commit, TakesNoMoreInputsThanItMayStage) {
  Held h([](Options& o) { o.staged_writes = 2; });
  for (const char* name : {"a", "b", "c", "d", "e"}) h.put(name);
  EXPECT_EQ(h.shard->stats().revision, Revision(3));  // one in flight, two staged
  EXPECT_EQ(h.shard->stats().queued, 2u);
  for (int i = 0; i < 3; ++i) h.commit();
  EXPECT_EQ(h.told, "a b c d e ");
}

TEST(Commit, AFailureTellsBothTurnsAndForgetsBoth) {
  Held h;
  h.put("a");
  h.commit();
  h.t.faults.arm("store.commit.fail");
  h.put("a");
  h.put("b");
  h.read("b");
  h.told.clear();
  h.commit();
  EXPECT_EQ(h.told, "a! b! read-b! ");
  EXPECT_EQ(h.shard->stats().failed_commits, 1u);
  EXPECT_EQ(h.shard->stats().revision, Revision(1));
  h.read("a");
  h.read("b");
  EXPECT_EQ(h.told, "a! b! read-b! read-a no-b ");
  h.put("c");  // numbers a failed commit used do not come again
  EXPECT_EQ(h.shard->stats().revision, Revision(4));
  h.commit();
  EXPECT_EQ(h.told, "a! b! read-b! read-a no-b c ");
}

TEST(Commit, ReadsTheFileAgainWhenItHoldsWhatWasReportedLost) {
  Held h([](Options& o) { o.history_changes = 0; });
  auto w = std::make_shared<NotingWatcher>();
  ASSERT_TRUE(h.shard->watch({}, {}, w));
  h.t.faults.arm("store.commit.unsure");
  h.put("a");
  h.put("b");
  h.commit();
  EXPECT_EQ(h.told, "a! b! ");
  const auto refused = h.shard->submit([](Turn&) {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::ServiceUnavailable);
  EXPECT_EQ(refused.error().message,
            "the store is reading " + h.options.path + " again after a failed write");
  h.commit();  // the reading
  h.read("a");
  h.read("b");
  EXPECT_EQ(h.told, "a! b! read-a no-b ");
  EXPECT_EQ(w->take(), (std::vector<std::string>{"=0", "+a@1"}));
  h.put("c");
  h.commit();
  EXPECT_EQ(w->take(), (std::vector<std::string>{"+c@3"}));
}

TEST(Commit, TheErrorSaysWhatToDo) {
  Fixture f;
  f.t.faults.arm("store.commit.fail");
  const auto lost = f.put("pods", "a");
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().reason, Reason::ServiceUnavailable);
  EXPECT_EQ(lost.error().message, "reading or writing " + f.options.path +
                                      " failed (injected): look at the disk; the request may be sent again");
  EXPECT_TRUE(f.put("pods", "a"));
}

TEST(Queue, RefusesBeyondItsLimit) {
  Fixture f([](Options& o) { o.queue_inputs = 2; });
  int ran = 0;
  const auto submit = [&] { return f.shard->submit([&](Turn&) { ++ran; }); };
  ASSERT_TRUE(submit());
  ASSERT_TRUE(submit());
  const auto refused = submit();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::TooManyRequests);
  EXPECT_EQ(ran, 0);  // nothing runs inline
  f.t.loop.run_until_idle();
  EXPECT_EQ(ran, 2);
  EXPECT_TRUE(submit());
}

TEST(Queue, ATurnDrainsABatchAndLetsOthersRun) {
  Fixture f([](Options& o) { o.turn_inputs = 2; });
  std::string order;
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(f.shard->submit([&, name](Turn&) { order += name; }));
  f.t.loop.post([&] { order += '|'; });
  f.t.loop.run_until_idle();
  EXPECT_EQ(order, "ab|c");
}

TEST(Queue, ReadsGoBeforeWrites) {
  Fixture f;
  std::string order;
  for (const char* name : {"a", "b"}) ASSERT_TRUE(f.shard->submit([&, name](Turn&) { order += name; }));
  for (const char* name : {"x", "y"})
    ASSERT_TRUE(f.shard->submit([&, name](Turn&) { order += name; }, Shard::Kind::Reads));
  f.t.loop.run_until_idle();
  EXPECT_EQ(order, "xyab");
}

TEST(Queue, ALongTurnEndsEarlyButNeverWithoutAWrite) {
  Fixture f([](Options& o) { o.turn_time = std::chrono::milliseconds(1); });
  std::string order;
  const auto slow = [&](const char* name) {
    return [&, name](Turn&) {
      order += name;
      f.t.clock.advance(std::chrono::milliseconds(2));
    };
  };
  for (const char* name : {"a", "b"}) ASSERT_TRUE(f.shard->submit(slow(name)));
  for (const char* name : {"x", "y", "z"}) ASSERT_TRUE(f.shard->submit(slow(name), Shard::Kind::Reads));
  for (int i = 0; i < 4; ++i) f.t.loop.post([&] { order += '|'; });
  f.t.loop.run_until_idle();
  EXPECT_EQ(order.substr(0, 3), "xa|");
  std::erase(order, '|');
  EXPECT_EQ(order, "xaybz");
}

TEST(Queue, WhatMayComeLaterGetsAnEighthOfTheTimeOfOthers) {
  Fixture f([](Options& o) { o.turn_time = std::chrono::milliseconds(1); });
  std::string order;
  const auto slow = [&](char name) {
    return [&, name](Turn&) {
      order += name;
      f.t.clock.advance(std::chrono::milliseconds(1));
    };
  };
  for (const char name : {'X', 'Y', 'Z'}) ASSERT_TRUE(f.shard->submit(slow(name), Shard::Kind::Later));
  for (char name = 'a'; name < 'k'; ++name) ASSERT_TRUE(f.shard->submit(slow(name)));
  f.t.loop.run_until_idle();
  EXPECT_EQ(order, "aXbcdefghYijZ");
}

TEST(Queue, WhatMayComeLaterIsWaitedForAtTheEnd) {
  Held h;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(h.shard->submit([](Turn&) {}, Shard::Kind::Later));
  h.shard->drain(h.note("drained"));
  EXPECT_EQ(h.shard->stats().queued, 3u);
  h.t.loop.run_until_idle();
  EXPECT_EQ(h.shard->stats().queued, 0u);
  EXPECT_EQ(h.told, "drained ");
}

TEST(Commit, ThoseWhoWaitedForItAreToldInSlices) {
  Held h([](Options& o) { o.turn_time = std::chrono::milliseconds(2); });
  std::string order;
  for (const char name : {'a', 'b', 'c', 'd', 'e'})
    ASSERT_TRUE(h.shard->submit([&, name](Turn& turn) {
      ASSERT_TRUE(turn.put(Fixture::key("pods", std::string(1, name)), Json{{"spec", 1}}));
      turn.then(turn.revision(), [&, name](const Result<void>&) {
        order += name;
        h.t.clock.advance(std::chrono::milliseconds(1));
        h.t.loop.post([&] { order += '|'; });
      });
    }));
  h.t.loop.run_until_idle();
  h.shard->drain(h.note("drained"));
  while (h.worker.step()) h.t.loop.run_until_idle();
  EXPECT_EQ(order, "ab||cd||e|");
  EXPECT_EQ(h.told, "drained ");
}

TEST(Commit, ReadsGoOnWhileWritesWaitForTheDisk) {
  Held h([](Options& o) { o.staged_writes = 1; });
  for (const char* name : {"a", "b", "c"}) h.put(name);
  ASSERT_EQ(h.shard->stats().queued, 1u);
  bool read = false;
  ASSERT_TRUE(h.shard->submit([&](Turn&) { read = true; }, Shard::Kind::Reads));
  h.t.loop.run_until_idle();
  EXPECT_TRUE(read);
  EXPECT_EQ(h.shard->stats().queued, 1u);
}

TEST(Drain, TellsWhenEverythingIsDurable) {
  Held h;
  h.put("a");
  h.put("b");
  h.shard->drain(h.note("drained"));
  h.t.loop.run_until_idle();
  h.commit();
  EXPECT_EQ(h.told, "a ");
  h.commit();
  EXPECT_EQ(h.told, "a b drained ");
  h.shard->drain(h.note("again"));
  EXPECT_EQ(h.told, "a b drained ");
  h.t.loop.run_until_idle();
  EXPECT_EQ(h.told, "a b drained again ");
}

TEST(Shard, DestroyedWithACommitInFlightCallsNothing) {
  Held h;
  h.put("a");
  h.shard.reset();
  ASSERT_TRUE(h.worker.step());
  h.t.loop.run_until_idle();
  EXPECT_EQ(h.told, "");
}

TEST(Meta, IsPartOfTheTransaction) {
  Fixture f;
  EXPECT_EQ(f.shard->meta("factory.id"), std::nullopt);
  ASSERT_TRUE(f.input([](Turn& turn) {
    turn.set_meta("factory.id", "a1b2");
    EXPECT_EQ(turn.meta("factory.id"), "a1b2");
  }));
  EXPECT_EQ(f.shard->meta("factory.id"), "a1b2");
  f.t.faults.arm("store.commit.fail");
  EXPECT_FALSE(f.input([](Turn& turn) { turn.set_meta("factory.id", "ffff"); }));
  ASSERT_TRUE(f.input([](Turn& turn) { EXPECT_EQ(turn.meta("factory.id"), "a1b2"); }));
  f.reopen();
  EXPECT_EQ(f.shard->meta("factory.id"), "a1b2");
}

TEST(Planted, ALostUpdateIsLetThrough) {
  Fixture f;
  ASSERT_TRUE(f.put("pods", "a"));
  ASSERT_TRUE(f.put("pods", "a", {}, Revision(1)));
  f.t.faults.arm("store.put.ignore_expect");
  EXPECT_TRUE(f.put("pods", "a", {}, Revision(1)));
  EXPECT_FALSE(f.put("pods", "a", {}, Revision(1)));
}

}  // namespace
}  // namespace ingot::store
