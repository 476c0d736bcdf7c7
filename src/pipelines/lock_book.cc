#include "pipelines/lock_book.h"

#include "pipelines/reading.h"
#include "workflow/rows.h"

namespace ingot::pipelines {

using api::Key;
using workflow::Locks;

namespace {

constexpr size_t kMostSizes = 10'000;

std::string run_of(const Key& workflow) {
  return std::string(workflow.ns()) + "/" + std::string(workflow.name());
}

}  // namespace

void LockBook::reset() {
  books_.clear();
  touched_.clear();
  unread_.clear();
  all_expected_ = open_ = false;
}

void LockBook::expect(const std::string& workflow) {
  if (!open_) unread_.insert(workflow);
}

LockBook::Book& LockBook::book(const store::Turn& turn, std::string_view cluster) {
  const auto [at, fresh] = books_.try_emplace(std::string(cluster));
  touched_.emplace(cluster);
  Book& book = at->second;
  if (fresh && !open_) book.locks.close();
  book.locks.read_sizes([&turn, &book, id = ClusterId{std::string(cluster)}](
                            std::string_view ns, std::string_view map, std::string_view key) {
    const api::ObjectPtr object = turn.get(Key(id, "configmaps", ns, map));
    const Revision now = object ? object->revision : Revision{};
    const std::string name = std::string(ns) + "/" + std::string(map) + "/" + std::string(key);
    const auto known = book.sizes.find(name);
    if (known != book.sizes.end() && known->second.of == now) return known->second.value;
    if (book.sizes.size() >= kMostSizes) book.sizes.clear();
    return book.sizes.insert_or_assign(name, Size{now, semaphore_size(object, map, key)}).first->second.value;
  });
  return book;
}

Locks& LockBook::of(const store::Turn& turn, const Key& workflow) {
  return book(turn, workflow.cluster()).locks;
}

LockBook::Again::Again(LockBook& book, const store::Turn& turn, const Key& workflow) {
  Locks& locks = book.of(turn, workflow);
  if (!book.open_ || !locks.knows(run_of(workflow))) return;
  locks_ = &locks;
  locks_->close();
}

LockBook::Again::~Again() {
  if (locks_) locks_->open();
}

void LockBook::forget(const store::Turn& turn, const Key& workflow) {
  if (books_.contains(workflow.cluster())) of(turn, workflow).forget(run_of(workflow));
}

void LockBook::resized(const store::Turn& turn, const Key& map) {
  if (books_.contains(map.cluster())) of(turn, map).resize(map.ns(), map.name());
}

std::vector<Key> LockBook::told(const store::Turn& turn) {
  std::vector<Key> out;
  if (!open_ && all_expected_ && unread_.empty()) {
    open_ = true;
    for (auto& [cluster, book] : books_) this->book(turn, cluster).locks.open();
  }
  for (const std::string& cluster : std::exchange(touched_, {})) {
    const auto at = books_.find(cluster);
    for (const std::string& run : at->second.locks.told()) {
      const size_t slash = run.find('/');
      out.emplace_back(ClusterId{cluster}, workflow::kWorkflows, run.substr(0, slash), run.substr(slash + 1));
    }
    at->second.locks.read_sizes({});
    if (open_ && at->second.locks.idle()) books_.erase(at);
  }
  return out;
}

}  // namespace ingot::pipelines
