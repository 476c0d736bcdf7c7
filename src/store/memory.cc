#include "store/memory.h"

#include <algorithm>
#include <bit>
#include <map>

#include "api/parse.h"
#include "base/assert.h"

namespace ingot::store {
using api::Object;
namespace {
// What a piece of memory takes: allocators keep sizes of four steps to a doubling.
size_t piece(size_t bytes) {
  const size_t step = std::max<size_t>(16, std::bit_floor(bytes) / 4);
  return (bytes + step - 1) / step * step;
}
size_t text(const std::string& s) {
  return s.capacity() < sizeof(std::string) / 2 ? 0 : piece(s.capacity() + 1);
}
// What is in memory only because history holds it.
size_t weight(const Object& object) {
  constexpr size_t kCounts = 2 * sizeof(void*);  // of make_shared
  return piece(sizeof(Object) + kCounts) + text(object.json) + text(object.key.text()) + text(object.node);
}
size_t weight(const Change& change) {
  return sizeof(Change) + (change.before ? weight(*change.before) : 0) +
         (change.deleted ? weight(*change.object) : 0);
}
}  // namespace

ObjectPtr encode(const Key& key, Json json, Revision revision) {
  api::set(json, {"metadata", "resourceVersion"}, std::to_string(revision.value).c_str());
  auto object = std::make_shared<Object>();
  object->key = key;
  object->revision = revision;
  object->node = api::node_of(key.resource(), json);
  object->json = api::as_utf8(api::to_text(json));  // anything else could not be read again
  object->marks = api::marks_of(json, object->json);
  return object;
}

ObjectPtr tombstone(const Object& last, Revision deleted_at) {
  return encode(last.key, last.parse(), deleted_at);
}

void Memory::place(const ObjectPtr& object) {
  ++edits_;
  if (const auto known = places_.find(std::string_view(object->key.text())); known != places_.end())
    known->at->object = object;
  else
    places_.insert({live_.emplace(object).first, TextHash()(object->key.text())});
}

void Memory::remove(std::string_view key) {
  const auto known = places_.find(key);
  ASSERT(known != places_.end());
  ++edits_;
  const Live::const_iterator it = known->at;
  places_.erase(known);
  live_.erase(it);
}

void Memory::replay(Revision revision, std::string_view key, const std::string_view* json) {
  const ObjectPtr before = get(key);
  const bool in_history = revision > compacted_;
  if (!json) {
    if (!in_history) doomed_.push_back({revision, revision});
    if (!before) return;
    if (in_history)
      apply({tombstone(*before, revision), before, true});
    else {
      doomed_.push_back({before->revision, revision});
      remove(key);
    }
    return;
  }
  auto object = std::make_shared<Object>();
  object->key = Key(std::string(key));
  object->revision = revision;
  object->json = *json;
  const bool of_node = !api::node_field(object->key.resource()).empty();
  const auto may_be = [&](auto... texts) { return (object->mentions(texts) || ...); };
  if (of_node || may_be("\"ownerReferences\"", "\"deletionTimestamp\"", "\"Succeeded\"", "\"Failed\"")) {
    const Json value = object->parse();
    object->node = api::node_of(object->key.resource(), value);
    object->marks = api::marks_of(value, object->json);
  }
  if (in_history) return apply({std::move(object), before, false});
  if (before) doomed_.push_back({before->revision, revision});
  place(object);
}

ObjectPtr Memory::get(std::string_view key) const {
  const auto known = places_.find(key);
  return known == places_.end() ? nullptr : known->at->object;
}

Memory::Live::const_iterator Memory::first(std::string_view prefix, std::string_view after) const {
  return after < prefix ? live_.lower_bound(prefix) : live_.upper_bound(after);
}

size_t Memory::count(std::string_view prefix) const {
  size_t n = 0;
  for (auto it = first(prefix, ""); it != live_.end() && ByKey::key(*it).starts_with(prefix); ++it) ++n;
  return n;
}

void Memory::range(std::string_view prefix, std::string_view after, const Visit& visit) const {
  for (auto it = first(prefix, after); it != live_.end() && ByKey::key(*it).starts_with(prefix);) {
    const uint64_t edits = edits_;
    const ObjectPtr object = it->object;
    if (!visit(object)) return;
    if (edits == edits_)
      ++it;
    else
      it = live_.upper_bound(object->key.text());
  }
}

Result<void> Memory::range_at(Revision at, std::string_view prefix, std::string_view after,
                              const Visit& visit) const {
  if (at < compacted_) return fail(expired(at, compacted_));
  // What differs from now: for each key changed since, its state before the first such change.
  std::map<std::string_view, ObjectPtr> then;
  for (auto change = this->after(at); change != history_.end(); ++change) {
    const std::string_view key = change->object->key.text();
    if (key > after && key.starts_with(prefix)) then.try_emplace(key, change->before);
  }
  auto old = then.begin();
  bool wanted = true;
  range(prefix, after, [&](const ObjectPtr& now) {
    for (; wanted && old != then.end() && old->first < now->key.text(); ++old)
      if (old->second) wanted = visit(old->second);
    if (!wanted) return false;
    if (old == then.end() || old->first != now->key.text()) return wanted = visit(now);
    const ObjectPtr state = (old++)->second;
    return wanted = !state || visit(state);
  });
  for (; wanted && old != then.end(); ++old)
    if (old->second) wanted = visit(old->second);
  return {};
}

void Memory::apply(Change change) {
  ASSERT(history_.empty() || history_.back().revision() < change.revision());
  if (change.deleted)
    remove(change.object->key.text());
  else
    place(change.object);
  bytes_ += weight(change);
  history_.push_back(std::move(change));
}

void Memory::undo(Revision to) {
  for (; !history_.empty() && history_.back().revision() > to; history_.pop_back()) {
    const Change& change = history_.back();
    bytes_ -= weight(change);
    if (change.before)
      place(change.before);
    else
      remove(change.object->key.text());
  }
}

void Memory::compact(Revision until) {
  while ((history_.size() > history_changes_ || bytes_ > history_bytes_) && !history_.empty() &&
         history_.front().revision() <= until) {
    const Change& change = history_.front();
    bytes_ -= weight(change);
    compacted_ = change.revision();
    if (change.before) doomed_.push_back({change.before->revision, compacted_});
    if (change.deleted) doomed_.push_back({compacted_, compacted_});
    history_.pop_front();
  }
}

std::deque<Change>::const_iterator Memory::after(Revision revision) const {
  return std::ranges::upper_bound(history_, revision, {}, &Change::revision);
}

Error Memory::expired(Revision asked, Revision oldest) {
  return {.reason = Reason::Expired,
          .message = "too old resource version: " + std::to_string(asked.value) + " (" +
                     std::to_string(oldest.value) + ")"};
}

}  // namespace ingot::store
