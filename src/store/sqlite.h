// SQLite as values: a connection, a prepared statement, an error. Only this room includes it.
// Thread rule: one thread at a time.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace ingot::store {

struct SqlError {
  int code;  // extended result code
  std::string message;
  int system = 0;  // errno, where the system refused
  int primary() const { return code & 0xff; }
};
template <class T>
using Sql = std::expected<T, SqlError>;

class Statement {
 public:
  // Text is not copied: it must live until reset().
  void bind(int index, std::string_view text);
  void bind(int index, int64_t value);
  void bind(int index, double value);  // NaN: NULL
  void bind_blob(int index, std::string_view bytes);
  void bind_null(int index);

  Sql<bool> step();  // true: there is a row
  Sql<void> run();   // steps to the end and resets
  void reset();

  int64_t integer(int column) const;
  double real(int column) const;
  std::string_view blob(int column) const;  // as text()
  std::string_view text(int column) const;  // valid until the next step
  bool is_null(int column) const;

 private:
  friend class Connection;
  struct Finalize {
    void operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

class Connection {
 public:
  // `vfs` "" is SQLite's own.
  static Sql<Connection> open(const std::string& path, const std::string& vfs);

  // As every file here is held: by this process alone, a write-ahead log that is copied when checkpoint() says, each
  // commit synced. Changes nothing in the file.
  Sql<void> own(int cache_kib);
  // Turns the log on, which changes the file; `frames`, which stays where it is as long as this, is how long it is.
  Sql<void> log(int* frames);
  bool checkpoint();  // copies the log and begins it anew

  Sql<void> execute(const std::string& sql);
  Sql<Statement> prepare(std::string_view sql);
  Sql<int64_t> integer(std::string_view sql);  // the first column of the first row; 0 where there is none
  bool in_transaction() const { return !sqlite3_get_autocommit(handle_.get()); }
  SqlError error() const;
  sqlite3* handle() const { return handle_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* h) const { sqlite3_close_v2(h); }
  };
  std::unique_ptr<sqlite3, Close> handle_;
};

}  // namespace ingot::store
