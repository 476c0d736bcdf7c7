#include "store/watches.h"

#include "base/assert.h"

namespace ingot::store {
namespace {
constexpr size_t kPieceObjects = 512;    // of a first list, a step
constexpr size_t kPieceChanges = 4'096;  // of history looked at, a step

Error too_slow() { return {.reason = Reason::Expired, .message = "the watcher is too slow; list again"}; }
}  // namespace

bool Watches::covers(const Scope& scope, const Key& key) {
  return (scope.cluster.empty() || scope.cluster == key.cluster()) &&
         (scope.resource.empty() || scope.resource == key.resource()) &&
         (scope.ns.empty() || scope.ns == key.ns());
}

bool Watches::covers(const Scope& scope, const Change& change) {
  // The node first: of many nodes' watches each sees almost nothing.
  return (scope.node.empty() || scope.node == change.object->node ||
          (change.before && scope.node == change.before->node)) &&
         covers(scope, change.object->key);
}

std::string Watches::group(const Scope& scope) {
  std::string name = scope.cluster + "/" + scope.resource;
  if (!scope.node.empty()) (name += '@') += scope.node;
  return name;
}

std::string Watches::prefix(const Scope& scope) {
  if (scope.cluster.empty()) return "";
  const ClusterId cluster(scope.cluster);
  if (scope.resource.empty()) return api::cluster_prefix(cluster);
  if (scope.ns.empty()) return api::type_prefix(cluster, scope.resource);
  return api::namespace_prefix(cluster, scope.resource, scope.ns);
}

uint64_t Watches::add(Scope scope, Revision from, std::shared_ptr<Watcher> watcher,
                      std::vector<ObjectPtr> first) {
  auto watch =
      std::make_shared<Watch>(std::move(scope), from, Revision(), std::move(watcher), std::move(first));
  behind_.emplace(++last_, watch);
  all_.emplace(last_, std::move(watch));
  return last_;
}

void Watches::remove(uint64_t id) {
  const auto it = all_.find(id);
  if (it == all_.end()) return;
  if (behind_.erase(id) == 0) {
    const auto group = synced_.find(Watches::group(it->second->scope));
    group->second.erase(id);
    if (group->second.empty()) synced_.erase(group);
  }
  all_.erase(it);
}

void Watches::end(uint64_t id, Error error) {
  const WatchPtr watch = all_.at(id);
  remove(id);
  watch->watcher->on_end(error);
}

bool Watches::publish(const Memory& memory, Revision durable, const std::function<bool()>& more) {
  const auto end = memory.history().end();
  for (auto change = memory.after(published_); change != end && change->revision() <= durable; ++change) {
    publish(*change);
    published_ = change->revision();
    if (!more()) return published_ >= durable;
  }
  published_ = std::max(published_, durable);
  return true;
}

void Watches::publish(const Change& change) {
  const std::string_view key = change.object->key.text();
  const size_t one = key.find('/'), two = key.find('/', one + 1);
  deliver(key.substr(0, two), change);          // cluster/resource
  deliver(key.substr(0, one + 1), change);      // cluster/
  deliver(key.substr(one, two - one), change);  // /resource
  deliver("/", change);
  const std::string& node = change.object->node;
  const std::string_view cluster = key.substr(0, one), resource = key.substr(one + 1, two - one - 1);
  if (!node.empty()) deliver(cluster, resource, node, change);
  if (change.before && change.before->node != node && !change.before->node.empty())
    deliver(cluster, resource, change.before->node, change);
}

void Watches::deliver(std::string_view cluster, std::string_view resource, std::string_view node,
                      const Change& change) {
  deliver(group({.cluster = std::string(cluster),
                 .resource = std::string(resource),
                 .ns = {},
                 .node = std::string(node)}),
          change);
  deliver(group({.cluster = {}, .resource = std::string(resource), .ns = {}, .node = std::string(node)}),
          change);
}

// Any watch may go away while one is called.
void Watches::deliver(std::string_view name, const Change& change) {
  uint64_t last = 0;
  for (;;) {
    const auto group = synced_.find(name);
    if (group == synced_.end()) return;
    const auto it = group->second.upper_bound(last);
    if (it == group->second.end()) return;
    last = it->first;
    const WatchPtr watch = it->second;
    if (change.revision() <= watch->cursor) continue;
    watch->cursor = change.revision();
    if (!covers(watch->scope, change) || watch->watcher->on_change(change)) continue;
    if (all_.contains(last)) end(last, too_slow());
  }
}

bool Watches::step(const Memory& memory) {
  auto it = behind_.upper_bound(stepped_);
  if (it == behind_.end()) it = behind_.begin();
  if (it == behind_.end()) return false;
  const uint64_t id = stepped_ = it->first;
  const WatchPtr watch = it->second;
  if (!catch_up(id, *watch, memory)) {
    if (all_.contains(id)) end(id, too_slow());
    return true;
  }
  if (!behind_.contains(id) || watch->first_seen < watch->first.size() || watch->cursor < published_)
    return true;
  watch->first = std::vector<ObjectPtr>();  // {} would keep its room
  behind_.erase(id);
  synced_[group(watch->scope)].emplace(id, watch);
  watch->told = std::max(watch->cursor, published_);
  watch->watcher->on_revision(watch->told);
  return true;
}

// False when the watcher takes no more.
bool Watches::catch_up(uint64_t id, Watch& watch, const Memory& memory) {
  for (size_t n = 0; watch.first_seen < watch.first.size(); ++n) {
    if (n == kPieceObjects) return true;
    const ObjectPtr object = watch.first[watch.first_seen++];
    if (!watch.watcher->on_change({object, nullptr, false})) return false;
    if (!behind_.contains(id)) return true;
  }
  if (watch.cursor < memory.compacted()) {
    end(id, Memory::expired(watch.cursor, memory.compacted()));
    return true;
  }
  size_t n = 0;
  for (auto change = memory.after(watch.cursor); change != memory.history().end(); ++change) {
    if (change->revision() > published_) break;
    if (++n > kPieceChanges) return true;
    watch.cursor = change->revision();
    if (!covers(watch.scope, *change)) continue;
    if (!watch.watcher->on_change(*change)) return false;
    if (!behind_.contains(id)) return true;
  }
  watch.cursor = std::max(watch.cursor, published_);
  return true;
}

bool Watches::bookmark(const std::function<bool()>& more) {
  for (auto it = all_.upper_bound(bookmarked_); it != all_.end(); it = all_.upper_bound(bookmarked_)) {
    bookmarked_ = it->first;
    const WatchPtr watch = it->second;
    if (!behind_.contains(bookmarked_) && watch->told < published_) {
      watch->told = published_;
      watch->watcher->on_revision(published_);
    }
    if (!more()) return false;
  }
  bookmarked_ = 0;
  return true;
}

}  // namespace ingot::store
