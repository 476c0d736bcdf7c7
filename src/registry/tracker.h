// One cluster's tracking: its file, the Book of what is in it, and requests to it one after another. Whoever calls handles
// some requests, commits once, and then lets their answers go.
//
// Thread rule: one thread at a time. Invariants: after commit() without error everything handled is durable; after one
// with an error the Tracker is good for nothing but being dropped, and what is durable is read again.
#pragma once

#include <memory>
#include <string>

#include "registry/ops.h"

namespace ingot::registry {

class Tracker {
 public:
  // Makes what a new cluster has: the experiment "Default".
  static Result<std::unique_ptr<Tracker>> open(const std::string& path, int64_t now_ms);

  // JSON, or an Error of MLflow's (api/mlflow_error.h).
  Result<std::string> handle(std::string_view op, const Call&);
  Result<void> commit();
  void allow(const Room& room) { room_ = room; }

  const Book& book() const { return *book_; }
  store::TrackingFile& file() { return *file_; }

 private:
  std::unique_ptr<store::TrackingFile> file_;
  std::unique_ptr<Book> book_;
  Room room_;
};

}  // namespace ingot::registry
