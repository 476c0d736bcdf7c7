// The shard's SQLite file: the log of writes, the rows, and a few facts about itself.
//
// Thread rule: open() on the loop's thread before the shard runs, then only inside env.worker. Every error is one line
// that names the file and the way out.
#pragma once

#include <map>

#include "store/ballast.h"
#include "store/memory.h"
#include "store/sqlite.h"

namespace ingot::store {

using Meta = std::map<std::string, std::string, std::less<>>;

// Everything one transaction writes.
struct Batch {
  struct Write {
    ObjectPtr object;
    bool deleted;
  };
  std::vector<Write> writes;
  std::vector<StoredRow> rows;
  Meta meta;
  std::vector<Doomed> doomed;  // deleted from the log
  size_t bytes = 0;
  // Fault points: store.commit.fail, .unsure (committed, reported as failed), .skip_sync (a planted bug).
  bool fail = false, unsure = false, skip_sync = false;

  bool empty() const { return writes.empty() && rows.empty() && meta.empty() && doomed.empty(); }
};

// What the file says after a failed commit.
struct Failure {
  Error error;
  bool disk_full = false;
  std::optional<Revision> newest;  // of the file; nullopt when it cannot be read
};

// The state as of the file.
struct Loaded {
  Memory memory;
  Revision revision;
  uint64_t next_sequence = 1;
  Meta meta;
  bool disk_full = false;
};

// How far a query over rows has come.
struct RowScan {
  std::vector<StoredRow> found;
  int64_t after = 0;
  std::optional<int64_t> last;  // of the rows when it began
  bool finished = false;
};

class File {
 public:
  static Result<std::unique_ptr<File>> open(const std::string& vfs, const Options&);

  Result<Loaded> load();
  std::expected<void, Failure> commit(const Batch&);
  // One piece of a query; call again until it is finished.
  Result<void> rows(const RowQuery&, RowScan&);

  // Closes the file and opens it again.
  Result<void> reopen();
  // False while there is no space for it.
  bool refill_ballast() { return !(full_ = !ballast_.fill()); }

 private:
  File(std::string vfs, const Options&);
  Result<void> start();
  Sql<void> prepare();
  Result<int64_t> identify();  // its format; 0 = a new file
  Sql<void> migrate(int64_t format);
  Sql<Loaded> read_all();
  Sql<Revision> newest();
  Sql<void> write(const Batch&);
  Sql<void> transact(const Batch&);
  void checkpoint();
  Result<int64_t> scan_end(const RowQuery&, const RowScan&);
  Error explain(const SqlError&) const;

  std::string vfs_;
  Options options_;
  Ballast ballast_;
  // The statements go before the connection they belong to.
  std::optional<Connection> db_;
  struct Statements {
    Statement begin, commit, rollback, put, doom, row, meta;
  };
  std::optional<Statements> sql_;
  int wal_frames_ = 0;
  bool full_ = false;
};

}  // namespace ingot::store
