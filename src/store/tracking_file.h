// The SQLite file of one cluster's tracking: documents by kind and number, points of metrics, and the index of artifacts.
// What documents say is the registry's; here they are bytes.
//
// Points. Each commit appends the points of a run as one row of `tail`; when a run's tail has grown to some tens of KiB it
// is folded into `chunks`, one row for each metric and at most kChunkPoints of its points. A fold writes the last chunk of
// each of its metrics anew, so that a history is read in a few hundred rows however long it is; of a run that logs many
// metrics a point is written more than twice.
//
// Thread rule: one thread at a time. Invariants: what commit() returned without error for is durable; a fold changes no
// history; after an error the connection is closed and the next use opens it again.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "store/sqlite.h"

namespace ingot::store {

struct TrackedPoint {
  int64_t step = 0, timestamp = 0;  // ms
  double value = 0;
  bool operator==(const TrackedPoint&) const = default;
};

struct TrackedArtifact {
  std::string path;  // "1/RUN/artifacts/model/weights.bin"
  std::string digest;
  int64_t bytes = 0;
};

// Everything one transaction writes.
struct TrackingBatch {
  struct Document {
    int64_t kind, id;
    std::string data;
  };
  std::vector<Document> documents;  // put, or replaced
  struct Points {
    int64_t run;
    std::string key;
    std::vector<TrackedPoint> points;
  };
  std::vector<Points> points;
  struct Latest {
    int64_t run;
    std::string key;
    TrackedPoint point;
  };
  std::vector<Latest> latest;
  std::vector<TrackedArtifact> artifacts;      // put, or replaced
  std::vector<std::string> artifacts_removed;  // each path, and all below it

  bool empty() const {
    return documents.empty() && points.empty() && latest.empty() && artifacts.empty() &&
           artifacts_removed.empty();
  }
};

class TrackingFile {
 public:
  static constexpr size_t kChunkPoints = 4096;

  // Makes the file if it is not there. Errors name the path and the way out.
  static Result<std::unique_ptr<TrackingFile>> open(const std::string& path, const std::string& vfs = "");
  ~TrackingFile();

  // Documents by kind and number, then the latest points by run and key.
  struct Visitor {
    std::function<Result<void>(int64_t kind, int64_t id, std::string_view data)> document;
    std::function<Result<void>(int64_t run, std::string_view key, const TrackedPoint&)> latest;
  };
  Result<void> load(const Visitor&);

  Result<void> commit(const TrackingBatch&);

  // Every point of a run's metric, in the order they were logged; all at once, or some at a time (false ends it).
  Result<std::vector<TrackedPoint>> points(int64_t run, std::string_view key);
  using VisitPoints = std::function<bool(const std::vector<TrackedPoint>&)>;
  Result<void> visit_points(int64_t run, std::string_view key, const VisitPoints&);
  // How many there are, without reading them: but for the newest few.
  Result<int64_t> count_points(int64_t run, std::string_view key);

  Result<std::optional<TrackedArtifact>> artifact(std::string_view path);
  // What lies right below `directory` ("" = the root): files, and directories (no digest, path without the last '/').
  // From behind `after`; at most `limit`.
  Result<std::vector<TrackedArtifact>> list(std::string_view directory, std::string_view after, size_t limit);
  // Each file, in order; false ends it.
  Result<void> artifacts(const std::function<bool(const TrackedArtifact&)>&);

 private:
  explicit TrackingFile(std::string path, std::string vfs) : path_(std::move(path)), vfs_(std::move(vfs)) {}
  Result<void> start();
  Result<void> ready();
  Result<int64_t> identify();
  Sql<void> prepare();
  Sql<void> write(const TrackingBatch&);
  Sql<void> write_points(const TrackingBatch&);
  Sql<void> each_of_tail(int64_t run,
                         const std::function<void(std::string_view key, std::string_view points)>&);
  Sql<void> fold(int64_t run);
  Sql<void> fold_one(int64_t run, std::string_view key, std::vector<TrackedPoint> points);
  void checkpoint();
  Error explain(const SqlError&);
  template <class T>
  Result<T> told(Sql<T>);

  std::string path_, vfs_;
  std::optional<Connection> db_;
  struct Statements {
    Statement begin, commit, rollback, document, latest, tail, tail_of, untail, chunk, last_chunk, chunks,
        chunk_bytes, replace_chunk, artifact_put, artifact_get, artifact_next, artifact_remove;
  };
  std::optional<Statements> sql_;
  std::map<int64_t, size_t> tails_;  // bytes of each run's tail, of those written to lately
  int64_t next_tail_ = 1;
  int wal_frames_ = 0;
};

}  // namespace ingot::store
