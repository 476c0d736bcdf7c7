#include "registry/tracker.h"

#include "api/mlflow_error.h"

namespace ingot::registry {

Result<std::unique_ptr<Tracker>> Tracker::open(const std::string& path, int64_t now_ms) {
  auto tracker = std::make_unique<Tracker>();
  auto file = store::TrackingFile::open(path);
  if (!file) return fail(file.error());
  tracker->file_ = std::move(*file);
  auto book = Book::load(*tracker->file_);
  if (!book) return fail(book.error());
  tracker->book_ = std::move(*book);
  if (tracker->book_->experiments().empty()) {
    tracker->book_->add_experiment(
        {.name = "Default", .location = "mlflow-artifacts:/0", .created = now_ms, .updated = now_ms});
    if (auto made = tracker->commit(); !made) return fail(made.error());
  }
  return tracker;
}

Result<std::string> Tracker::handle(std::string_view op, const Call& call) {
  const Handler handler = find_handler(op);
  if (!handler) return fail(api::mlflow_not_implemented(std::string(op) + " is not served here"));
  Desk desk{*book_, *file_, room_};
  return handler(desk, call);
}

Result<void> Tracker::commit() { return book_->staged() ? file_->commit(book_->take()) : Result<void>(); }

}  // namespace ingot::registry
