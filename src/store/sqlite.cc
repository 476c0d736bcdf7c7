#include "store/sqlite.h"

#include "base/assert.h"

namespace ingot::store {
namespace {
SqlError last_error(sqlite3* h) {
  return {sqlite3_extended_errcode(h), sqlite3_errmsg(h), sqlite3_system_errno(h)};
}
}  // namespace

void Statement::bind(int index, std::string_view text) {
  const int code = sqlite3_bind_text64(handle_.get(), index, text.data() ? text.data() : "", text.size(),
                                       SQLITE_STATIC, SQLITE_UTF8);
  ASSERT(code == SQLITE_OK);
}
void Statement::bind(int index, int64_t value) {
  ASSERT(sqlite3_bind_int64(handle_.get(), index, value) == SQLITE_OK);
}
void Statement::bind(int index, double value) {
  ASSERT(sqlite3_bind_double(handle_.get(), index, value) == SQLITE_OK);
}
void Statement::bind_blob(int index, std::string_view bytes) {
  ASSERT(sqlite3_bind_blob64(handle_.get(), index, bytes.data() ? bytes.data() : "", bytes.size(),
                             SQLITE_STATIC) == SQLITE_OK);
}
void Statement::bind_null(int index) { ASSERT(sqlite3_bind_null(handle_.get(), index) == SQLITE_OK); }

Sql<bool> Statement::step() {
  switch (sqlite3_step(handle_.get())) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      return std::unexpected(last_error(sqlite3_db_handle(handle_.get())));
  }
}
Sql<void> Statement::run() {
  for (;;) {
    const Sql<bool> row = step();
    if (!row || !*row) {
      reset();
      if (!row) return std::unexpected(row.error());
      return {};
    }
  }
}
void Statement::reset() { sqlite3_reset(handle_.get()); }

int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_.get(), column); }
double Statement::real(int column) const { return sqlite3_column_double(handle_.get(), column); }
std::string_view Statement::blob(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(handle_.get(), column));
  return data ? std::string_view(data, size_t(sqlite3_column_bytes(handle_.get(), column)))
              : std::string_view();
}
std::string_view Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(handle_.get(), column));
  return data ? std::string_view(data, size_t(sqlite3_column_bytes(handle_.get(), column)))
              : std::string_view();
}
bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
}

Sql<Connection> Connection::open(const std::string& path, const std::string& vfs) {
  if (!vfs.empty() && !sqlite3_vfs_find(vfs.c_str()))
    return std::unexpected(SqlError{SQLITE_ERROR, "no VFS " + vfs + " is registered"});
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &raw,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      vfs.empty() ? nullptr : vfs.c_str());
  Connection connection;
  connection.handle_.reset(raw);
  if (code != SQLITE_OK) return std::unexpected(raw ? last_error(raw) : SqlError{code, "out of memory"});
  return connection;
}

Sql<void> Connection::own(int cache_kib) {
  return execute(
      "PRAGMA page_size=8192; PRAGMA locking_mode=EXCLUSIVE; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-" +
      std::to_string(cache_kib) +
      "; PRAGMA trusted_schema=OFF; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;");
}

Sql<void> Connection::log(int* frames) {
  if (auto set = execute("PRAGMA journal_mode=WAL; BEGIN IMMEDIATE; COMMIT"); !set) return set;
  sqlite3_wal_hook(
      handle_.get(),
      [](void* told, sqlite3*, const char*, int now) {
        *static_cast<int*>(told) = now;
        return SQLITE_OK;
      },
      frames);
  return {};
}

bool Connection::checkpoint() {
  return sqlite3_wal_checkpoint_v2(handle_.get(), nullptr, SQLITE_CHECKPOINT_RESTART, nullptr, nullptr) ==
         SQLITE_OK;
}

Sql<void> Connection::execute(const std::string& sql) {
  if (sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    return std::unexpected(error());
  return {};
}

Sql<Statement> Connection::prepare(std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v3(handle_.get(), sql.data(), int(sql.size()), SQLITE_PREPARE_PERSISTENT, &raw,
                         nullptr) != SQLITE_OK)
    return std::unexpected(error());
  Statement statement;
  statement.handle_.reset(raw);
  return statement;
}

Sql<int64_t> Connection::integer(std::string_view sql) {
  Sql<Statement> statement = prepare(sql);
  if (!statement) return std::unexpected(statement.error());
  const Sql<bool> row = statement->step();
  if (!row) return std::unexpected(row.error());
  return *row ? statement->integer(0) : 0;
}

SqlError Connection::error() const { return last_error(handle_.get()); }

}  // namespace ingot::store
