#include "store/tracking_file.h"

#include <array>
#include <cmath>
#include <cstring>

#include "store/tracking_points.h"

namespace ingot::store {
namespace {

constexpr int kApplicationId = 0x496e6754;  // "IngT": which program's file this is, in SQLite's header
constexpr int kWalPages = 2'000;            // of 8 KiB: how long the write-ahead log gets before it is copied
constexpr size_t kFoldAt = 64 * 1024;       // bytes of a run's tail
constexpr size_t kSmallChunk = TrackingFile::kChunkPoints * sizeof(TrackedPoint);

// Step N brings a file of format N to format N + 1.
constexpr std::array kMigrations{
    R"(
    CREATE TABLE documents(kind INTEGER NOT NULL, id INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY(kind, id))
      WITHOUT ROWID;
    CREATE TABLE latest(run INTEGER NOT NULL, key TEXT NOT NULL, step INTEGER NOT NULL, at INTEGER NOT NULL,
                        value REAL, PRIMARY KEY(run, key)) WITHOUT ROWID;
    CREATE TABLE tail(seq INTEGER PRIMARY KEY, run INTEGER NOT NULL, data BLOB NOT NULL);
    CREATE INDEX tail_of ON tail(run, seq);
    CREATE TABLE chunks(seq INTEGER PRIMARY KEY, run INTEGER NOT NULL, key TEXT NOT NULL, data BLOB NOT NULL);
    CREATE INDEX chunks_of ON chunks(run, key, seq);
    CREATE TABLE artifacts(path TEXT PRIMARY KEY, digest TEXT NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
    )",
};
constexpr int64_t kFormat = kMigrations.size();

// The last path below "DIRECTORY/", and one behind it.
std::string behind(std::string_view directory) { return std::string(directory) + '0'; }  // '0' follows '/'

// Resets a statement when the look at its rows is over.
struct Rows {
  Statement& statement;
  ~Rows() { statement.reset(); }
};

}  // namespace

TrackingFile::~TrackingFile() {
  if (db_) checkpoint();
}

Result<std::unique_ptr<TrackingFile>> TrackingFile::open(const std::string& path, const std::string& vfs) {
  std::unique_ptr<TrackingFile> file(new TrackingFile(path, vfs));
  if (auto started = file->start(); !started) return fail(started.error());
  return file;
}

template <class T>
Result<T> TrackingFile::told(Sql<T> outcome) {
  if (!outcome) return fail(explain(outcome.error()));
  if constexpr (std::is_void_v<T>)
    return {};
  else
    return std::move(*outcome);
}

Result<void> TrackingFile::ready() { return db_ ? Result<void>() : start(); }

Result<void> TrackingFile::start() {
  Sql<Connection> opened = Connection::open(path_, vfs_);
  if (!opened) return fail(explain(opened.error()));
  db_ = std::move(*opened);
  if (auto set = db_->own(4096); !set) return fail(explain(set.error()));
  const Result<int64_t> format = identify();
  if (!format) return fail(format.error());
  if (auto set = db_->log(&wal_frames_); !set) return fail(explain(set.error()));
  if (*format < kFormat) {
    std::string sql = "BEGIN IMMEDIATE; PRAGMA application_id=" + std::to_string(kApplicationId) + ";";
    for (int64_t step = *format; step < kFormat; ++step) sql += kMigrations[size_t(step)];
    sql += "PRAGMA user_version=" + std::to_string(kFormat) + "; COMMIT;";
    if (auto done = db_->execute(sql); !done) return fail(explain(done.error()));
  }
  if (auto done = prepare(); !done) return fail(explain(done.error()));
  const Sql<int64_t> last = db_->integer("SELECT max(seq) FROM tail");
  if (!last) return fail(explain(last.error()));
  next_tail_ = *last + 1;
  return {};
}

Result<int64_t> TrackingFile::identify() {
  const Sql<int64_t> application = db_->integer("PRAGMA application_id");
  const Sql<int64_t> tables = db_->integer("SELECT count(*) FROM sqlite_schema");
  const Sql<int64_t> format = db_->integer("PRAGMA user_version");
  for (const auto* asked : {&application, &tables, &format})
    if (!*asked) return fail(explain(asked->error()));
  if (*tables == 0) return 0;
  if (*application != kApplicationId)
    return fail(Reason::InternalError, path_ + " is another program's SQLite database: move it away");
  if (*format > kFormat)
    return fail(Reason::InternalError, path_ + " was written by a newer version (format " +
                                           std::to_string(*format) +
                                           "): run that version or restore a backup");
  return *format;
}

Sql<void> TrackingFile::prepare() {
  Statements sql;
  const std::pair<Statement*, const char*> all[] = {
      {&sql.begin, "BEGIN IMMEDIATE"},
      {&sql.commit, "COMMIT"},
      {&sql.rollback, "ROLLBACK"},
      {&sql.document, "INSERT OR REPLACE INTO documents(kind, id, data) VALUES(?, ?, ?)"},
      {&sql.latest, "INSERT OR REPLACE INTO latest(run, key, step, at, value) VALUES(?, ?, ?, ?, ?)"},
      {&sql.tail, "INSERT INTO tail(seq, run, data) VALUES(?, ?, ?)"},
      {&sql.tail_of, "SELECT data FROM tail WHERE run = ? ORDER BY seq"},
      {&sql.untail, "DELETE FROM tail WHERE run = ?"},
      {&sql.chunk, "INSERT INTO chunks(run, key, data) VALUES(?, ?, ?)"},
      {&sql.last_chunk, "SELECT seq, data FROM chunks WHERE run = ? AND key = ? ORDER BY seq DESC LIMIT 1"},
      {&sql.chunks, "SELECT data FROM chunks WHERE run = ? AND key = ? ORDER BY seq"},
      {&sql.chunk_bytes, "SELECT coalesce(sum(length(data)), 0) FROM chunks WHERE run = ? AND key = ?"},
      {&sql.replace_chunk, "UPDATE chunks SET data = ?2 WHERE seq = ?1"},
      {&sql.artifact_put, "INSERT OR REPLACE INTO artifacts(path, digest, bytes) VALUES(?, ?, ?)"},
      {&sql.artifact_get, "SELECT digest, bytes FROM artifacts WHERE path = ?"},
      {&sql.artifact_next,
       "SELECT path, digest, bytes FROM artifacts WHERE path >= ? AND path < ? ORDER BY path LIMIT 1"},
      {&sql.artifact_remove, "DELETE FROM artifacts WHERE path = ?1 OR (path >= ?2 AND path < ?3)"},
  };
  for (const auto& [statement, text] : all) {
    Sql<Statement> prepared = db_->prepare(text);
    if (!prepared) return std::unexpected(prepared.error());
    *statement = std::move(*prepared);
  }
  sql_ = std::move(sql);
  return {};
}

Result<void> TrackingFile::load(const Visitor& visit) {
  if (auto open = ready(); !open) return open;
  Sql<Statement> documents = db_->prepare("SELECT kind, id, data FROM documents ORDER BY kind, id");
  if (!documents) return fail(explain(documents.error()));
  for (;;) {
    const Sql<bool> row = documents->step();
    if (!row) return fail(explain(row.error()));
    if (!*row) break;
    if (auto taken = visit.document(documents->integer(0), documents->integer(1), documents->blob(2)); !taken)
      return taken;
  }
  Sql<Statement> latest = db_->prepare("SELECT run, key, step, at, value FROM latest ORDER BY run, key");
  if (!latest) return fail(explain(latest.error()));
  for (;;) {
    const Sql<bool> row = latest->step();
    if (!row) return fail(explain(row.error()));
    if (!*row) break;
    const TrackedPoint point{latest->integer(2), latest->integer(3),
                             latest->is_null(4) ? std::nan("") : latest->real(4)};
    if (auto taken = visit.latest(latest->integer(0), latest->text(1), point); !taken) return taken;
  }
  sqlite3_db_release_memory(db_->handle());  // pages that only loading needed
  return {};
}

Result<void> TrackingFile::commit(const TrackingBatch& batch) {
  if (auto open = ready(); !open) return open;
  if (wal_frames_ >= kWalPages) checkpoint();
  Sql<void> done = sql_->begin.run();
  if (done) done = write(batch);
  if (done) done = sql_->commit.run();
  return told(std::move(done));
}

Sql<void> TrackingFile::write(const TrackingBatch& batch) {
  for (const auto& [kind, id, data] : batch.documents) {
    sql_->document.bind(1, kind);
    sql_->document.bind(2, id);
    sql_->document.bind_blob(3, data);
    if (auto done = sql_->document.run(); !done) return done;
  }
  if (auto done = write_points(batch); !done) return done;
  for (const auto& [run, key, point] : batch.latest) {
    sql_->latest.bind(1, run);
    sql_->latest.bind(2, key);
    sql_->latest.bind(3, point.step);
    sql_->latest.bind(4, point.timestamp);
    sql_->latest.bind(5, point.value);  // NaN becomes NULL
    if (auto done = sql_->latest.run(); !done) return done;
  }
  for (const std::string& path : batch.artifacts_removed) {
    const std::string below = path + '/', end = behind(path);
    sql_->artifact_remove.bind(1, path);
    sql_->artifact_remove.bind(2, below);
    sql_->artifact_remove.bind(3, end);
    if (auto done = sql_->artifact_remove.run(); !done) return done;
  }
  for (const TrackedArtifact& artifact : batch.artifacts) {
    sql_->artifact_put.bind(1, artifact.path);
    sql_->artifact_put.bind(2, artifact.digest);
    sql_->artifact_put.bind(3, artifact.bytes);
    if (auto done = sql_->artifact_put.run(); !done) return done;
  }
  return {};
}

// One row of `tail` for each run.
Sql<void> TrackingFile::write_points(const TrackingBatch& batch) {
  std::map<int64_t, std::string> rows;
  for (const auto& [run, key, points] : batch.points) append_points(rows[run], key, points);
  for (const auto& [run, data] : rows) {
    sql_->tail.bind(1, next_tail_++);
    sql_->tail.bind(2, run);
    sql_->tail.bind_blob(3, data);
    if (auto done = sql_->tail.run(); !done) return done;
    size_t& bytes = tails_[run];
    bytes += data.size();
    if (bytes < kFoldAt) continue;
    if (auto done = fold(run); !done) return done;
    tails_.erase(run);
  }
  // Those of runs that ended long ago need not be counted on: a tail is folded a little later then.
  constexpr size_t kMostCounted = 10'000;
  if (tails_.size() > kMostCounted) tails_.clear();
  return {};
}

Sql<void> TrackingFile::each_of_tail(
    int64_t run, const std::function<void(std::string_view key, std::string_view points)>& visit) {
  const Rows rows{sql_->tail_of};
  sql_->tail_of.bind(1, run);
  for (;;) {
    const Sql<bool> row = sql_->tail_of.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
    each_points(sql_->tail_of.blob(0), visit);
  }
}

Sql<void> TrackingFile::fold(int64_t run) {
  std::map<std::string, std::vector<TrackedPoint>, std::less<>> by_key;
  if (auto read = each_of_tail(run,
                               [&](std::string_view key, std::string_view bytes) {
                                 decode_points(bytes, by_key.try_emplace(std::string(key)).first->second);
                               });
      !read)
    return read;
  for (auto& [key, points] : by_key)
    if (auto done = fold_one(run, key, std::move(points)); !done) return done;
  sql_->untail.bind(1, run);
  return sql_->untail.run();
}

// Behind the last chunk, which is filled up first.
Sql<void> TrackingFile::fold_one(int64_t run, std::string_view key, std::vector<TrackedPoint> points) {
  int64_t last = 0;
  std::string filled;
  {
    const Rows rows{sql_->last_chunk};
    sql_->last_chunk.bind(1, run);
    sql_->last_chunk.bind(2, key);
    const Sql<bool> row = sql_->last_chunk.step();
    if (!row) return std::unexpected(row.error());
    if (*row && sql_->last_chunk.blob(1).size() < kSmallChunk) {
      last = sql_->last_chunk.integer(0);
      filled = sql_->last_chunk.blob(1);
    }
  }
  std::string all = filled + encode_points(points);
  for (size_t at = 0; at < all.size(); at += kSmallChunk) {
    const std::string_view piece = std::string_view(all).substr(at, kSmallChunk);
    Statement& statement = last ? sql_->replace_chunk : sql_->chunk;
    if (last) {
      statement.bind(1, last);
      statement.bind_blob(2, piece);
    } else {
      statement.bind(1, run);
      statement.bind(2, key);
      statement.bind_blob(3, piece);
    }
    last = 0;
    if (auto done = statement.run(); !done) return done;
  }
  return {};
}

Result<void> TrackingFile::visit_points(int64_t run, std::string_view key, const VisitPoints& visit) {
  if (auto open = ready(); !open) return open;
  return told([&]() -> Sql<void> {
    std::vector<TrackedPoint> some;
    {
      const Rows rows{sql_->chunks};
      sql_->chunks.bind(1, run);
      sql_->chunks.bind(2, key);
      for (;;) {
        const Sql<bool> row = sql_->chunks.step();
        if (!row) return std::unexpected(row.error());
        if (!*row) break;
        some.clear();
        decode_points(sql_->chunks.blob(0), some);
        if (!visit(some)) return {};
      }
    }
    some.clear();
    const auto read = each_of_tail(run, [&](std::string_view name, std::string_view bytes) {
      if (name == key) decode_points(bytes, some);
    });
    if (read) (void)visit(some);
    return read;
  }());
}

Result<std::vector<TrackedPoint>> TrackingFile::points(int64_t run, std::string_view key) {
  std::vector<TrackedPoint> all;
  auto read = visit_points(run, key, [&](const std::vector<TrackedPoint>& some) {
    all.insert(all.end(), some.begin(), some.end());
    return true;
  });
  if (!read) return fail(read.error());
  return all;
}

Result<int64_t> TrackingFile::count_points(int64_t run, std::string_view key) {
  if (auto open = ready(); !open) return fail(open.error());
  return told([&]() -> Sql<int64_t> {
    const Rows rows{sql_->chunk_bytes};
    sql_->chunk_bytes.bind(1, run);
    sql_->chunk_bytes.bind(2, key);
    const Sql<bool> row = sql_->chunk_bytes.step();
    if (!row) return std::unexpected(row.error());
    return *row ? sql_->chunk_bytes.integer(0) / int64_t(sizeof(TrackedPoint)) : 0;
  }());
}

void TrackingFile::checkpoint() {
  if (db_->checkpoint()) wal_frames_ = 0;
}

Result<std::optional<TrackedArtifact>> TrackingFile::artifact(std::string_view path) {
  if (auto open = ready(); !open) return fail(open.error());
  return told([&]() -> Sql<std::optional<TrackedArtifact>> {
    const Rows rows{sql_->artifact_get};
    sql_->artifact_get.bind(1, path);
    const Sql<bool> row = sql_->artifact_get.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return std::nullopt;
    return TrackedArtifact{std::string(path), std::string(sql_->artifact_get.text(0)),
                           sql_->artifact_get.integer(1)};
  }());
}

// Looks for the next file, and from a directory's first on behind the directory: as many looks as there are answers.
Result<std::vector<TrackedArtifact>> TrackingFile::list(std::string_view directory, std::string_view after,
                                                        size_t limit) {
  if (auto open = ready(); !open) return fail(open.error());
  return told([&]() -> Sql<std::vector<TrackedArtifact>> {
    const std::string below = directory.empty() ? "" : std::string(directory) + '/';
    const std::string end = directory.empty() ? "\xff" : behind(directory);
    std::string from = below;
    std::vector<TrackedArtifact> out;
    while (out.size() < limit) {
      const Rows rows{sql_->artifact_next};
      sql_->artifact_next.bind(1, from);
      sql_->artifact_next.bind(2, end);
      const Sql<bool> row = sql_->artifact_next.step();
      if (!row) return std::unexpected(row.error());
      if (!*row) break;
      std::string path(sql_->artifact_next.text(0));
      const size_t slash = path.find('/', below.size());
      TrackedArtifact found;
      if (slash == path.npos) {
        found = {path, std::string(sql_->artifact_next.text(1)), sql_->artifact_next.integer(2)};
        from = path + '\0';
      } else {
        found.path = path.substr(0, slash);
        from = behind(found.path);
      }
      if (found.path > after) out.push_back(std::move(found));
    }
    return out;
  }());
}

Result<void> TrackingFile::artifacts(const std::function<bool(const TrackedArtifact&)>& visit) {
  if (auto open = ready(); !open) return open;
  Sql<Statement> all = db_->prepare("SELECT path, digest, bytes FROM artifacts ORDER BY path");
  if (!all) return fail(explain(all.error()));
  for (;;) {
    const Sql<bool> row = all->step();
    if (!row) return fail(explain(row.error()));
    if (!*row || !visit({std::string(all->text(0)), std::string(all->text(1)), all->integer(2)})) return {};
  }
}

// Says what is wrong, and lets go of the file: what it holds is read again by the next use.
Error TrackingFile::explain(const SqlError& e) {
  const std::string cause = e.system ? std::string(std::strerror(e.system)) : e.message;
  Error error{.reason = Reason::ServiceUnavailable, .retry_after_s = 1};
  if (e.primary() == SQLITE_FULL) {
    error.message = "the disk that holds " + path_ + " is full: nothing of this was stored; free space";
  } else if (e.primary() == SQLITE_CORRUPT || e.primary() == SQLITE_NOTADB) {
    error.reason = Reason::InternalError;
    error.retry_after_s = std::nullopt;
    error.message = path_ + " is damaged (" + e.message + "): restore it from a backup, or move it away";
  } else if (e.primary() == SQLITE_BUSY || e.primary() == SQLITE_LOCKED) {
    error.message = path_ + " is in use by another process: stop it";
  } else {
    error.message = "reading or writing " + path_ + " failed (" + cause + "): the request may be sent again";
  }
  sql_.reset();
  db_.reset();
  tails_.clear();
  return error;
}

}  // namespace ingot::store
