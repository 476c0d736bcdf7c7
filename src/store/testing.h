// A shard on a file of its own, for unit tests: writes and reads as one call each.
// Thread rule: the test's thread.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "env/testing.h"
#include "store/shard.h"

namespace ingot::store {

// A directory that goes away with the test.
class TempDirectory {
 public:
  TempDirectory() {
    // In memory where there is such a place: what is tested is the order of syncs, not the disk's speed.
    const bool shm = ::access("/dev/shm", W_OK) == 0;
    std::string name =
        (shm ? "/dev/shm" : std::filesystem::temp_directory_path().string()) + "/ingot-store-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~TempDirectory() { std::filesystem::remove_all(path_); }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

// Writes down what it sees: "+a@1" create, "~a@2" update, "-a@3" delete, "=3" a bookmark, "!410 …" the end.
struct NotingWatcher final : Watcher {
  std::vector<std::string> seen;
  size_t room = SIZE_MAX;  // changes it takes
  bool on_change(const Change& c) override {
    if (room == 0) return false;
    --room;
    seen.push_back((c.deleted  ? "-"
                    : c.before ? "~"
                               : "+") +
                   std::string(c.object->key.name()) + "@" + std::to_string(c.revision().value));
    return true;
  }
  void on_revision(Revision r) override { seen.push_back("=" + std::to_string(r.value)); }
  void on_end(const Error& e) override {
    seen.push_back("!" + std::to_string(http_code(e.reason)) + " " + e.message);
  }
  std::vector<std::string> take() { return std::exchange(seen, {}); }
};

inline Options small_options(std::string path) {
  Options o;
  o.path = std::move(path);
  o.ballast_bytes = 0;
  return o;
}

// The shard under test. Its worker is inline unless the test brings its own.
struct Fixture {
  TempDirectory directory;
  env::TestEnv t;
  Options options = small_options(directory / "ingot.db");
  std::unique_ptr<Shard> shard;

  explicit Fixture(std::function<void(Options&)> change = [](Options&) {}) {
    change(options);
    reopen();
  }
  void reopen() {
    shard.reset();
    auto opened = Shard::open(t.env, options);
    if (!opened) ADD_FAILURE() << opened.error().message;
    if (opened) shard = std::move(*opened);
  }
  static Key key(std::string_view resource, std::string_view name, std::string cluster = "c1") {
    return Key(ClusterId(std::move(cluster)), resource, "default", name);
  }
  // Runs one input to the end; the error is that of its commit.
  Result<void> input(std::function<void(Turn&)> body) {
    std::optional<Result<void>> outcome;
    auto taken = shard->submit([&, body = std::move(body)](Turn& turn) {
      body(turn);
      turn.then(turn.revision(), [&](const Result<void>& r) { outcome = r; });
    });
    if (!taken) return taken;
    t.loop.run_until_idle();
    if (!outcome) return fail(Reason::Timeout, "the input is still waiting");
    return *outcome;
  }
  Result<ObjectPtr> put(std::string_view resource, std::string_view name, api::JsonObject spec = {},
                        std::optional<Revision> expect = std::nullopt) {
    return write([&](Turn& turn) { return turn.put(key(resource, name), Json{{"spec", spec}}, expect); });
  }
  Result<ObjectPtr> erase(std::string_view resource, std::string_view name,
                          std::optional<Revision> expect = std::nullopt) {
    return write([&](Turn& turn) { return turn.erase(key(resource, name), expect); });
  }
  ObjectPtr get(std::string_view resource, std::string_view name) {
    ObjectPtr found;
    EXPECT_TRUE(input([&](Turn& turn) { found = turn.get(key(resource, name)); }));
    return found;
  }
  std::shared_ptr<NotingWatcher> watch(Scope scope, Revision from = {}) {
    auto watcher = std::make_shared<NotingWatcher>();
    const auto id = shard->watch(std::move(scope), from, watcher);
    EXPECT_TRUE(id) << id.error().message;
    t.loop.run_until_idle();
    return watcher;
  }
  // "a@1 b@2" below a prefix, now or at a revision.
  std::string list(std::string_view prefix, std::optional<Revision> at = {}, std::string_view after = "") {
    std::string text;
    const auto visit = [&](const ObjectPtr& o) {
      text +=
          (text.empty() ? "" : " ") + std::string(o->key.name()) + "@" + std::to_string(o->revision.value);
      return true;
    };
    const auto done = input([&](Turn& turn) {
      if (!at) return turn.range(prefix, after, visit);
      if (const auto r = turn.range_at(*at, prefix, after, visit); !r) text = r.error().message;
    });
    return done ? text : done.error().message;
  }
  std::vector<StoredRow> rows(RowQuery query) {
    std::optional<Result<std::vector<StoredRow>>> found;
    shard->rows(std::move(query), [&](auto r) { found = std::move(r); });
    t.loop.run_until_idle();
    EXPECT_TRUE(found && *found);
    return found && *found ? **found : std::vector<StoredRow>{};
  }

 private:
  Result<ObjectPtr> write(std::function<Result<ObjectPtr>(Turn&)> body) {
    Result<ObjectPtr> stored;
    if (auto done = input([&](Turn& turn) { stored = body(turn); }); !done) return fail(done.error());
    return stored;
  }
};

}  // namespace ingot::store
