#include "store/file.h"

#include <array>
#include <cstring>

namespace ingot::store {
namespace {
constexpr int kApplicationId = 0x496e676f;  // "Ingo": which program's file this is, in SQLite's header
constexpr int64_t kManyRows = 1'000;        // as far apart as these, in other places of the file than writes
constexpr int64_t kScanRows = 50'000;       // looked at in one go: commits wait that long
constexpr std::string_view kAudit = "audit";
enum Op : int64_t { kPut = 1, kDelete = 2 };

// Step N brings a file of format N to format N + 1.
constexpr std::array kMigrations{
    R"(
    CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE log(rev INTEGER PRIMARY KEY, key TEXT NOT NULL, op INTEGER NOT NULL, value TEXT);
    CREATE TABLE rows(seq INTEGER PRIMARY KEY, stream TEXT NOT NULL, uniq TEXT NOT NULL, cluster TEXT NOT NULL,
                      at INTEGER NOT NULL, data TEXT NOT NULL);
    CREATE UNIQUE INDEX rows_once ON rows(stream, uniq) WHERE uniq <> '';
    CREATE INDEX rows_stream ON rows(stream) WHERE stream <> 'audit';
    )",
};
constexpr int64_t kFormat = kMigrations.size();

std::string directory(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? "" : path.substr(0, slash + 1);
}
}  // namespace

File::File(std::string vfs, const Options& options)
    : vfs_(std::move(vfs)),
      options_(options),
      ballast_(directory(options.path) + "ballast", vfs_, options.ballast_bytes) {}

Result<std::unique_ptr<File>> File::open(const std::string& vfs, const Options& options) {
  std::unique_ptr<File> file(new File(vfs, options));
  // SQLite takes an empty file for a new one and would throw away the log beside it.
  if (file_size(options.path, vfs) == 0 &&
      (file->ballast_.exists() || file_size(options.path + "-wal", vfs) > 0))
    return fail(Reason::InternalError,
                options.path +
                    " is missing or empty, but what lies beside it shows that there was a store: " +
                    "restore it from a backup, or remove " + options.path + "-wal and " +
                    file->ballast_.path() + " to start anew");
  if (auto started = file->start(); !started) return fail(started.error());
  return file;
}

Result<void> File::reopen() {
  sql_.reset();
  db_.reset();
  return start();
}

Result<void> File::start() {
  Sql<Connection> opened = Connection::open(options_.path, vfs_);
  if (!opened) return fail(explain(opened.error()));
  db_ = std::move(*opened);
  if (sqlite3_db_readonly(db_->handle(), "main") == 1)
    return fail(explain({SQLITE_READONLY, "a read-only file or disk"}));
  if (auto set = db_->own(8192); !set) return fail(explain(set.error()));
  // Before anything is changed: the file may be somebody else's.
  const Result<int64_t> format = identify();
  if (!format) return fail(format.error());
  if (auto set = db_->log(&wal_frames_); !set) return fail(explain(set.error()));
  if (auto migrated = migrate(*format); !migrated) return fail(explain(migrated.error()));
  if (auto ready = prepare(); !ready) return fail(explain(ready.error()));
  return {};
}

Result<int64_t> File::identify() {
  const Sql<int64_t> application = db_->integer("PRAGMA application_id");
  const Sql<int64_t> tables = db_->integer("SELECT count(*) FROM sqlite_schema");
  if (!application || !tables) return fail(explain((!application ? application : tables).error()));
  if (*tables == 0) return 0;
  if (*application != kApplicationId)
    return fail(Reason::InternalError, options_.path +
                                           " is another program's SQLite database, not a store: " +
                                           "move it away or use another data directory");
  const Sql<int64_t> format = db_->integer("SELECT value FROM meta WHERE name = 'store.format'");
  if (!format) return fail(explain(format.error()));
  if (*format > kFormat)
    return fail(Reason::InternalError, options_.path + " was written by a newer version (store format " +
                                           std::to_string(*format) + ", this program reads up to " +
                                           std::to_string(kFormat) +
                                           "): run that version or restore a backup");
  return *format;
}

Sql<void> File::migrate(int64_t format) {
  if (format == kFormat) return {};
  std::string sql = "BEGIN IMMEDIATE; PRAGMA application_id=" + std::to_string(kApplicationId) + ";";
  for (int64_t step = format; step < kFormat; ++step) sql += kMigrations[size_t(step)];
  sql += "INSERT OR REPLACE INTO meta VALUES('store.format', '" + std::to_string(kFormat) + "'); COMMIT;";
  return db_->execute(sql);
}

Sql<void> File::prepare() {
  Statements sql;
  const std::pair<Statement*, const char*> all[] = {
      {&sql.begin, "BEGIN IMMEDIATE"},
      {&sql.commit, "COMMIT"},
      {&sql.rollback, "ROLLBACK"},
      {&sql.put, "INSERT INTO log(rev, key, op, value) VALUES(?, ?, ?, ?)"},
      {&sql.doom, "DELETE FROM log WHERE rev = ?"},
      {&sql.row,
       "INSERT INTO rows(seq, stream, uniq, cluster, at, data) VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT DO "
       "NOTHING"},
      {&sql.meta, "INSERT OR REPLACE INTO meta(name, value) VALUES(?, ?)"},
  };
  for (const auto& [statement, text] : all) {
    Sql<Statement> prepared = db_->prepare(text);
    if (!prepared) return std::unexpected(prepared.error());
    *statement = std::move(*prepared);
  }
  sql_ = std::move(sql);
  return {};
}

Result<Loaded> File::load() {
  if (db_->in_transaction()) (void)sql_->rollback.run();
  Sql<Loaded> loaded = read_all();
  if (!loaded) return fail(explain(loaded.error()));
  sqlite3_db_release_memory(db_->handle());  // pages that only loading needed
  loaded->disk_full = !refill_ballast();
  return std::move(*loaded);
}

Sql<Loaded> File::read_all() {
  Loaded state{Memory(options_.history_changes, options_.history_bytes)};
  Sql<Statement> meta = db_->prepare("SELECT name, value FROM meta");
  if (!meta) return std::unexpected(meta.error());
  for (;;) {
    const Sql<bool> row = meta->step();
    if (!row) return std::unexpected(row.error());
    if (!*row) break;
    state.meta.emplace(meta->text(0), meta->text(1));
  }
  const auto compacted = state.meta.find("store.compacted");
  if (compacted != state.meta.end()) state.revision = Revision(std::stoull(compacted->second));
  state.memory.start(state.revision);

  Sql<Statement> log = db_->prepare("SELECT rev, key, op, value FROM log ORDER BY rev");
  if (!log) return std::unexpected(log.error());
  for (;;) {
    const Sql<bool> row = log->step();
    if (!row) return std::unexpected(row.error());
    if (!*row) break;
    const Revision revision(uint64_t(log->integer(0)));
    const std::string_view json = log->text(3);
    state.memory.replay(revision, log->text(1), log->integer(2) == kPut ? &json : nullptr);
    state.revision = std::max(state.revision, revision);
  }
  const Sql<int64_t> last = db_->integer("SELECT max(seq) FROM rows");
  if (!last) return std::unexpected(last.error());
  state.next_sequence = uint64_t(*last) + 1;
  return state;
}

Sql<Revision> File::newest() {
  const Sql<int64_t> revision = db_->integer(
      "SELECT max(ifnull((SELECT max(rev) FROM log), 0),"
      " ifnull((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'store.compacted'), 0))");
  if (!revision) return std::unexpected(revision.error());
  return Revision(uint64_t(*revision));
}

std::expected<void, Failure> File::commit(const Batch& batch) {
  if (wal_frames_ >= int(options_.wal_pages) || full_) checkpoint();
  Sql<void> written = batch.fail ? std::unexpected(SqlError{SQLITE_IOERR, "injected"}) : transact(batch);
  if (written && batch.unsure) written = std::unexpected(SqlError{SQLITE_IOERR, "injected"});
  if (written) {
    const bool only_compacts = batch.writes.empty() && batch.rows.empty() && !batch.doomed.empty();
    if (only_compacts) sqlite3_db_release_memory(db_->handle());  // pages of old rows, not needed again
    return {};
  }

  Failure failure{explain(written.error()), written.error().primary() == SQLITE_FULL, std::nullopt};
  if (db_->in_transaction()) (void)sql_->rollback.run();
  if (failure.disk_full) {
    full_ = true;
    ballast_.release();
    checkpoint();
  }
  if (const Sql<Revision> revision = newest(); !db_->in_transaction() && revision) failure.newest = *revision;
  return std::unexpected(std::move(failure));
}

Sql<void> File::transact(const Batch& batch) {
  if (batch.skip_sync) (void)db_->execute("PRAGMA synchronous=OFF");
  Sql<void> done = sql_->begin.run();
  if (done) done = write(batch);
  if (done) done = sql_->commit.run();
  if (batch.skip_sync) (void)db_->execute("PRAGMA synchronous=FULL");
  return done;
}

Sql<void> File::write(const Batch& batch) {
  for (const auto& [object, deleted] : batch.writes) {
    sql_->put.bind(1, int64_t(object->revision.value));
    sql_->put.bind(2, object->key.text());
    sql_->put.bind(3, deleted ? kDelete : kPut);
    if (deleted)
      sql_->put.bind_null(4);
    else
      sql_->put.bind(4, object->json);
    if (auto done = sql_->put.run(); !done) return done;
  }
  for (const auto& [sequence, row] : batch.rows) {
    sql_->row.bind(1, int64_t(sequence));
    sql_->row.bind(2, row.stream);
    sql_->row.bind(3, row.unique);
    sql_->row.bind(4, row.cluster);
    sql_->row.bind(5, row.at.time_since_epoch().count());
    sql_->row.bind(6, row.data);
    if (auto done = sql_->row.run(); !done) return done;
  }
  for (const Doomed& doomed : batch.doomed) {
    sql_->doom.bind(1, int64_t(doomed.row.value));
    if (auto done = sql_->doom.run(); !done) return done;
  }
  Meta meta = batch.meta;
  if (!batch.doomed.empty()) meta["store.compacted"] = std::to_string(batch.doomed.back().change.value);
  for (const auto& [name, value] : meta) {
    sql_->meta.bind(1, name);
    sql_->meta.bind(2, value);
    if (auto done = sql_->meta.run(); !done) return done;
  }
  return {};
}

// A failure is tried again by the next commit; the log is never given up before it has been copied and synced.
void File::checkpoint() {
  if (db_->checkpoint()) wal_frames_ = 0;
}

// How far one go reaches: so many rows, which of a stream with an index are its own. Where all are wanted, the query's limit
// is enough.
Result<int64_t> File::scan_end(const RowQuery& query, const RowScan& scan) {
  if (query.stream == kAudit) return std::min(*scan.last - scan.after, kScanRows) + scan.after;
  if (query.cluster.empty() && !query.since && !query.until) return *scan.last;
  Sql<Statement> far = db_->prepare(
      "SELECT seq FROM rows WHERE stream = ?1 AND stream <> 'audit' AND seq > ?2 ORDER BY seq LIMIT 1 OFFSET "
      "?3");
  if (!far) return fail(explain(far.error()));
  far->bind(1, query.stream);
  far->bind(2, scan.after);
  far->bind(3, kScanRows - 1);
  const Sql<bool> row = far->step();
  if (!row) return fail(explain(row.error()));
  return *row ? std::min(far->integer(0), *scan.last) : *scan.last;
}

Result<void> File::rows(const RowQuery& query, RowScan& scan) {
  if (!db_) return fail(explain({SQLITE_CANTOPEN, "it is closed after an error"}));
  if (!scan.last) {
    const Sql<int64_t> last = db_->integer("SELECT max(seq) FROM rows");
    if (!last) return fail(explain(last.error()));
    scan.last = *last;
    scan.after = int64_t(std::min<uint64_t>(query.after, INT64_MAX));
  }
  // Nearly all rows are audit: those are found without an index, and writing one touches none.
  const std::string sql = std::string("SELECT seq, uniq, cluster, at, data FROM rows WHERE stream = ?1") +
                          (query.stream == kAudit ? "" : " AND stream <> 'audit'") +
                          " AND seq > ?2 AND seq <= ?3 AND (?4 = '' OR cluster = ?4)"
                          " AND at >= ?5 AND at < ?6 ORDER BY seq LIMIT ?7";
  Sql<Statement> select = db_->prepare(sql);
  if (!select) return fail(explain(select.error()));
  const auto micros = [](const std::optional<WallTime>& t, int64_t otherwise) {
    return t ? int64_t(t->time_since_epoch().count()) : otherwise;
  };
  const Result<int64_t> end = scan_end(query, scan);
  if (!end) return fail(end.error());
  const int64_t wanted = std::max(query.limit, 0) - int64_t(scan.found.size());
  select->bind(1, query.stream);
  select->bind(2, scan.after);
  select->bind(3, *end);
  select->bind(4, query.cluster);
  select->bind(5, micros(query.since, INT64_MIN));
  select->bind(6, micros(query.until, INT64_MAX));
  select->bind(7, wanted);
  for (;;) {
    const Sql<bool> row = select->step();
    if (!row) return fail(explain(row.error()));
    if (!*row) break;
    scan.found.push_back(
        {uint64_t(select->integer(0)),
         {query.stream, std::string(select->text(1)), std::string(select->text(2)),
          WallTime(std::chrono::microseconds(select->integer(3))), std::string(select->text(4))}});
  }
  *select = Statement();
  if (*end - scan.after >= kManyRows) sqlite3_db_release_memory(db_->handle());  // pages that no write needs
  scan.after = *end;
  scan.finished = *end >= *scan.last || int64_t(scan.found.size()) >= query.limit;
  return {};
}

Error File::explain(const SqlError& e) const {
  const std::string& path = options_.path;
  const std::string cause = e.system ? std::string(std::strerror(e.system)) : e.message;
  const auto unavailable = [](std::string text) {
    return Error{.reason = Reason::ServiceUnavailable, .message = std::move(text), .retry_after_s = 1};
  };
  switch (e.primary()) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return unavailable(path + " is in use by another process: stop it, or use another data directory");
    case SQLITE_FULL:
      return unavailable(
          "the disk that holds " + path +
          " is full: nothing of this was stored; free space, or delete objects (deletes still work)");
    case SQLITE_NOTADB:
      return {.message =
                  path + " is not a store (no SQLite database): move it away or use another data directory"};
    case SQLITE_CORRUPT:
      return {.message = path + " is damaged or truncated (" + e.message +
                         "): restore it from a backup, or save what is left with: sqlite3 " + path +
                         " .recover"};
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return unavailable(path + " cannot be written (" + cause +
                         "): make the file and its directory writable for this user");
    case SQLITE_CANTOPEN:
      return unavailable("cannot open " + path + " (" + cause +
                         "): the directory must exist and be writable for this user");
    case SQLITE_IOERR:
      return unavailable("reading or writing " + path + " failed (" + cause +
                         "): look at the disk; the request may be sent again");
    default:
      return {.message = path + ": " + e.message};
  }
}

}  // namespace ingot::store
