#include <fstream>

#include "store/file.h"
#include "store/shim_vfs.h"
#include "store/sqlite.h"
#include "store/testing.h"

namespace ingot::store {
namespace {
namespace fs = std::filesystem;
using std::chrono_literals::operator""s;

std::string open_error(Fixture& f) {
  f.shard.reset();
  const auto opened = Shard::open(f.t.env, f.options);
  return opened ? "" : opened.error().message;
}
void run_sql(const std::string& path, const std::string& sql) {
  auto db = Connection::open(path, "");
  ASSERT_TRUE(db);
  const auto done = db->execute(sql);
  ASSERT_TRUE(done) << done.error().message;
}
int64_t query(const std::string& path, const std::string& sql) {
  auto db = Connection::open(path, "");
  return *db->integer(sql);
}

TEST(Open, RefusesASecondHolder) {
  Fixture f;
  const auto second = Shard::open(f.t.env, f.options);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message,
            f.options.path + " is in use by another process: stop it, or use another data directory");
  EXPECT_TRUE(f.put("pods", "a"));
}

TEST(Open, RefusesAnotherProgramsFiles) {
  Fixture f;
  f.shard.reset();
  fs::remove(f.options.path);
  std::ofstream(f.options.path) << "This is a letter, long enough to have room for a header. "
                                << std::string(500, '.');
  EXPECT_EQ(
      open_error(f),
      f.options.path + " is not a store (no SQLite database): move it away or use another data directory");
  fs::remove(f.options.path);
  run_sql(f.options.path, "CREATE TABLE t(x)");
  EXPECT_EQ(open_error(f), f.options.path +
                               " is another program's SQLite database, not a store: move it away or "
                               "use another data directory");
  EXPECT_EQ(query(f.options.path, "SELECT count(*) FROM sqlite_schema"), 1);
}

TEST(Open, RefusesANewerFormat) {
  Fixture f;
  f.shard.reset();
  run_sql(f.options.path, "UPDATE meta SET value = '99' WHERE name = 'store.format'");
  EXPECT_EQ(open_error(f), f.options.path +
                               " was written by a newer version (store format 99, this program reads "
                               "up to 1): run that version or restore a backup");
}

TEST(Open, SeesThatAFileIsTruncated) {
  Fixture f;
  for (int i = 0; i < 50; ++i)
    ASSERT_TRUE(f.put("pods", std::to_string(i), {{"x", std::string(1000, 'x').c_str()}}));
  f.shard.reset();
  fs::resize_file(f.options.path, fs::file_size(f.options.path) / 2);
  EXPECT_EQ(open_error(f),
            f.options.path +
                " is damaged or truncated (database disk image is malformed): restore it from a "
                "backup, or save what is left with: sqlite3 " +
                f.options.path + " .recover");
}

TEST(Open, DoesNotTakeAnEmptiedStoreForANewOne) {
  Fixture f([](Options& o) { o.ballast_bytes = 4096; });
  ASSERT_TRUE(f.put("pods", "a"));
  f.shard.reset();
  fs::resize_file(f.options.path, 0);
  EXPECT_EQ(open_error(f),
            f.options.path +
                " is missing or empty, but what lies beside it shows that there was a store: restore "
                "it from a backup, or remove " +
                f.options.path + "-wal and " + (f.directory / "ballast") + " to start anew");
  fs::remove(f.directory / "ballast");
  EXPECT_EQ(open_error(f), "");
}

TEST(Open, NamesAMissingDirectory) {
  Fixture f;
  f.options.path = f.directory / "none/ingot.db";
  EXPECT_EQ(open_error(f),
            "cannot open " + f.options.path +
                " (No such file or directory): the directory must exist and be writable for this "
                "user");
}

TEST(Open, SaysThatADiskIsReadOnlyFullOrBroken) {
  Fixture f;
  ShimVfs disk("open-errors");
  f.t.disk.name = disk.name();
  disk.read_only = true;
  EXPECT_EQ(open_error(f), f.options.path +
                               " cannot be written (a read-only file or disk): make the file and its "
                               "directory writable for this user");
  disk.read_only = false;
  disk.broken = true;
  EXPECT_NE(open_error(f).find("reading or writing " + f.options.path + " failed ("), std::string::npos);
  disk.broken = false;
  f.options.path = f.directory / "new.db";
  disk.quota = 1000;
  EXPECT_NE(open_error(f).find("the disk that holds " + f.options.path + " is full"), std::string::npos);
  f.t.disk.name = "nonesuch";
  EXPECT_EQ(open_error(f), f.options.path + ": no VFS nonesuch is registered");
}

TEST(Durability, AKilledProcessLosesNothingAcknowledged) {
  Fixture f;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(f.put("pods", std::to_string(i % 7)));
    if (i % 5 == 4) ASSERT_TRUE(f.erase("pods", std::to_string(i % 7)));
  }
  const std::string before = f.list("");
  // The files as a killed process leaves them.
  Fixture killed([&](Options& o) {
    for (const char* suffix : {"", "-wal"}) fs::copy_file(f.options.path + suffix, o.path + suffix);
  });
  EXPECT_EQ(killed.list(""), before);
  EXPECT_EQ(killed.shard->stats().revision, f.shard->stats().revision);
}

TEST(Durability, EveryCommitIsSyncedBeforeItIsAcknowledged) {
  ShimVfs disk("counts-syncs");
  Fixture f;
  f.t.disk.name = disk.name();
  f.reopen();
  ASSERT_TRUE(f.put("pods", "warm"));
  for (int i = 0; i < 10; ++i) {
    const int before = disk.syncs;
    ASSERT_TRUE(f.put("pods", "a"));
    EXPECT_EQ(disk.syncs, before + 1);
  }
  f.t.faults.arm("store.commit.skip_sync");
  const int before = disk.syncs;
  ASSERT_TRUE(f.put("pods", "a"));
  EXPECT_EQ(disk.syncs, before) << "the planted bug";
  ASSERT_TRUE(f.put("pods", "a"));
  EXPECT_EQ(disk.syncs, before + 1);
  f.shard.reset();
}

TEST(Durability, AFailedSyncIsAFailedCommit) {
  ShimVfs disk("fails-syncs");
  Fixture f;
  f.t.disk.name = disk.name();
  f.reopen();
  ASSERT_TRUE(f.put("pods", "a"));
  disk.syncs_to_fail = 1;
  const auto lost = f.put("pods", "b");
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().reason, Reason::ServiceUnavailable);
  EXPECT_EQ(f.list(""), "a@1");
  ASSERT_TRUE(f.put("pods", "c"));
  EXPECT_EQ(f.list(""), "a@1 c@3");
  f.reopen();
  EXPECT_EQ(f.list(""), "a@1 c@3");
  f.shard.reset();
}

TEST(Durability, TriesToReadTheFileUntilTheDiskIsBack) {
  ShimVfs disk("breaks");
  Fixture f;
  f.t.disk.name = disk.name();
  f.reopen();
  ASSERT_TRUE(f.put("pods", "a"));
  const auto w = f.watch({});
  f.t.faults.arm("store.commit.unsure");
  ASSERT_TRUE(f.shard->submit([](Turn& turn) { ASSERT_TRUE(turn.put(Fixture::key("pods", "b"), Json{})); }));
  f.t.loop.step();
  disk.broken = true;
  f.t.loop.advance(60s);
  EXPECT_FALSE(f.shard->submit([](Turn&) {}));
  std::optional<Result<std::vector<StoredRow>>> rows;
  f.shard->rows({.stream = "audit"}, [&](auto r) { rows = std::move(r); });
  f.t.loop.run_until_idle();
  EXPECT_TRUE(rows && !*rows);
  disk.broken = false;
  f.t.loop.advance(2s);
  EXPECT_EQ(f.list(""), "a@1 b@2");
  ASSERT_TRUE(f.put("pods", "c"));
  EXPECT_EQ(w->take(), (std::vector<std::string>{"+a@1", "=1", "+b@2", "+c@3"}));
  f.shard.reset();
}

TEST(Compaction, KeepsTheNewestOfEveryLiveKeyAndNothingItNeedsNot) {
  Fixture f([](Options& o) { o.history_changes = 3; });
  ASSERT_TRUE(f.put("pods", "old"));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(f.put("pods", "a"));
  ASSERT_TRUE(f.erase("pods", "a"));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(f.put("pods", "b"));
  const std::string now = f.list("");
  EXPECT_EQ(now, "b@22 old@1");
  f.shard.reset();
  // old, b's newest, the three before it that history needs, and what the last commit had no later one to delete.
  EXPECT_LE(query(f.options.path, "SELECT count(*) FROM log"), 6);
  f.reopen();
  EXPECT_EQ(f.list(""), now);
}

TEST(Compaction, NeverGivesARevisionTwice) {
  Fixture f([](Options& o) { o.history_changes = 0; });
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(f.put("pods", "a"));
    ASSERT_TRUE(f.erase("pods", "a"));
  }
  ASSERT_TRUE(f.input([](Turn& turn) { turn.append({.stream = "audit", .data = "{}"}); }));
  f.reopen();
  ASSERT_TRUE(f.input([](Turn& turn) { turn.append({.stream = "audit", .data = "{}"}); }));
  f.shard.reset();
  EXPECT_EQ(query(f.options.path, "SELECT count(*) FROM log"), 0);
  f.reopen();
  EXPECT_EQ((*f.put("pods", "b"))->revision, Revision(7));
}

TEST(Compaction, HappensAtRestToo) {
  Fixture f([](Options& o) { o.history_changes = 0; });
  ASSERT_TRUE(f.input([](Turn& turn) {
    for (int i = 0; i < 9000; ++i) ASSERT_TRUE(turn.put(Fixture::key("pods", "a"), Json{}));
  }));
  f.shard.reset();
  EXPECT_LT(query(f.options.path, "SELECT count(*) FROM log"), 4'100);
}

TEST(Wal, IsWrittenFromItsStartAgain) {
  Fixture f([](Options& o) { o.wal_pages = 50; });
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(f.put("pods", "a", {{"x", std::string(2000, 'x').c_str()}}));
  EXPECT_LT(fs::file_size(f.options.path + "-wal"), 80u * 8300);
}

TEST(Rows, ComeBackInOrderAndOnceEach) {
  Fixture f;
  const WallTime t0 = f.t.clock.wall();
  const auto at = [&](int s) { return t0 + std::chrono::seconds(s); };
  ASSERT_TRUE(f.input([&](Turn& turn) {
    turn.append({"ledger", "pod-1", "c1", at(1), "first"});
    turn.append({"ledger", "pod-1", "c1", at(2), "second"});
    turn.append({"audit", "pod-1", "c1", at(2), "other stream"});
    turn.append({"audit", "", "c1", at(3), "x"});
    turn.append({"audit", "", "c2", at(4), "y"});
  }));
  ASSERT_TRUE(f.input([&](Turn& turn) { turn.append({"ledger", "pod-1", "c1", at(9), "third"}); }));
  ASSERT_TRUE(f.input([&](Turn& turn) { turn.append({"ledger", "pod-2", "c2", at(5), "it's"}); }));
  f.reopen();
  const auto text = [&](RowQuery q) {
    std::string all;
    for (const StoredRow& r : f.rows(std::move(q))) all += (all.empty() ? "" : ",") + r.row.data;
    return all;
  };
  EXPECT_EQ(text({.stream = "ledger"}), "first,it's");
  EXPECT_EQ(text({.stream = "audit"}), "other stream,x,y");
  EXPECT_EQ(text({.stream = "audit", .cluster = "c2"}), "y");
  EXPECT_EQ(text({.stream = "audit", .since = at(3), .until = at(4)}), "x");
  EXPECT_EQ(text({.stream = "audit", .limit = 1}), "other stream");
  const auto first = f.rows({.stream = "audit", .limit = 1});
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(text({.stream = "audit", .after = first[0].sequence}), "x,y");
  EXPECT_EQ(first[0].row.unique, "pod-1");
  EXPECT_EQ(first[0].row.cluster, "c1");
  EXPECT_EQ(first[0].row.at, at(2));
}

TEST(Rows, OfALongStreamAreReadInPieces) {
  Fixture f;
  ASSERT_TRUE(f.input([](Turn& turn) {
    for (int i = 0; i < 120'000; ++i)
      turn.append({.stream = "audit", .cluster = i % 40'000 ? "c1" : "c2", .data = std::to_string(i)});
  }));
  const auto rows = f.rows({.stream = "audit", .cluster = "c2"});
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[2].row.data, "80000");
  EXPECT_EQ(f.rows({.stream = "audit", .limit = 60'000}).size(), 60'000u);
  EXPECT_EQ(f.rows({.stream = "audit", .after = 119'998, .limit = 60'000}).size(), 2u);
  EXPECT_EQ(f.rows({.stream = "audit", .after = UINT64_MAX}).size(), 0u);
  EXPECT_EQ(f.rows({.stream = "audit", .limit = 0}).size(), 0u);
}

TEST(Rows, OfAShortStreamAreReadInOneGoBesideALongOne) {
  Fixture f;
  ASSERT_TRUE(f.input([](Turn& turn) {
    for (int i = 0; i < 110'000; ++i) {
      const bool ours = i % 50'000 == 0;
      turn.append(
          {.stream = ours ? "lineage" : "audit", .cluster = i ? "c1" : "c2", .data = std::to_string(i)});
    }
  }));
  f.shard.reset();
  auto file = File::open("", f.options);
  ASSERT_TRUE(file);
  for (const RowQuery& query :
       {RowQuery{.stream = "lineage"}, RowQuery{.stream = "lineage", .cluster = "c1"}}) {
    RowScan scan;
    ASSERT_TRUE((*file)->rows(query, scan));
    EXPECT_TRUE(scan.finished);
    EXPECT_EQ(scan.found.size(), query.cluster.empty() ? 3u : 2u);
  }
}

TEST(Rows, OfALongStreamWithAnIndexAreReadInPieces) {
  Fixture f;
  ASSERT_TRUE(f.input([](Turn& turn) {
    for (int i = 0; i < 120'000; ++i)
      turn.append({.stream = "ledger", .cluster = i % 40'000 ? "c1" : "c2", .data = std::to_string(i)});
  }));
  const auto rows = f.rows({.stream = "ledger", .cluster = "c2"});
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[2].row.data, "80000");
  EXPECT_EQ(f.rows({.stream = "ledger", .limit = 60'000}).size(), 60'000u);
  EXPECT_EQ(f.rows({.stream = "ledger", .cluster = "c1", .after = 119'998, .limit = 60'000}).size(), 2u);
  EXPECT_EQ(f.rows({.stream = "ledger", .after = UINT64_MAX}).size(), 0u);
}

TEST(Rows, OfAFailedCommitAreGone) {
  Fixture f;
  f.t.faults.arm("store.commit.fail");
  EXPECT_FALSE(f.input([](Turn& turn) { turn.append({.stream = "ledger", .unique = "p", .data = "lost"}); }));
  ASSERT_TRUE(f.input([](Turn& turn) { turn.append({.stream = "ledger", .unique = "p", .data = "kept"}); }));
  const auto rows = f.rows({.stream = "ledger"});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].row.data, "kept");
}

struct FullDisk : testing::Test {
  ShimVfs disk{"fills"};
  Fixture f{[](Options& o) { o.ballast_bytes = 1 << 20; }};
  void SetUp() override {
    f.shard.reset();
    for (const char* file : {"ingot.db", "ballast"})
      fs::remove(f.directory / file);  // not counted by this disk
    f.t.disk.name = disk.name();
    f.reopen();
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(big(std::to_string(i)));
  }
  void TearDown() override { f.shard.reset(); }
  Result<ObjectPtr> big(std::string_view name) {
    return f.put("pods", name, {{"x", std::string(3000, 'x').c_str()}});
  }
};

TEST_F(FullDisk, RefusesToGrowButDeletes) {
  disk.quota = disk.used();
  const auto refused = big("more");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::ServiceUnavailable);
  EXPECT_EQ(refused.error().message,
            "the disk that holds " + f.options.path +
                " is full: nothing of this was stored; free space, or delete objects "
                "(deletes still work)");
  EXPECT_TRUE(f.shard->stats().disk_full);
  EXPECT_EQ(f.shard->stats().objects, 100u);
  EXPECT_FALSE(big("more"));

  for (int i = 0; i < 90; ++i) {
    const auto erased = f.erase("pods", std::to_string(i));
    ASSERT_TRUE(erased) << i << ": " << erased.error().message;
  }
  ASSERT_TRUE(f.input([](Turn& turn) {
    EXPECT_TRUE(turn.put(Fixture::key("pods", "95"), Json{{"metadata", {{"deletionTimestamp", "now"}}}}));
  }));
  const std::string left = f.list("");
  EXPECT_EQ(f.shard->stats().objects, 10u);
  f.reopen();
  EXPECT_EQ(f.list(""), left);
}

TEST_F(FullDisk, TakesEverythingAgainOnceThereIsSpace) {
  disk.quota = disk.used();
  ASSERT_FALSE(big("more"));
  EXPECT_FALSE(fs::exists(f.directory / "ballast"));
  f.t.loop.advance(10s);
  EXPECT_FALSE(big("more"));
  disk.quota = INT64_MAX;
  f.t.loop.advance(2s);
  EXPECT_FALSE(f.shard->stats().disk_full);
  EXPECT_EQ(fs::file_size(f.directory / "ballast"), 1u << 20);
  EXPECT_TRUE(big("more"));
  EXPECT_EQ(f.t.loop.timers(), 0u);
}

}  // namespace
}  // namespace ingot::store
