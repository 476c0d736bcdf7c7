// Garbage collection by owner references: what all its owners left behind goes; an owner deleted in the foreground
// waits for the dependents that block it; one deleted with "orphan" lets them go first.
// Facts: pkg/controller/garbagecollector (attemptToDeleteItem, processDeletingDependentsItem, attemptToOrphan).
#include <algorithm>

#include "api/deletion.h"
#include "controllers/table.h"

namespace ingot::controllers {
namespace {

// The owner's resource; nullptr for a kind nobody here serves.
const api::Resource* resource_of(const Facts& facts, const OwnerRef& owner) {
  const size_t slash = owner.api_version.find('/');
  const std::string_view version = owner.api_version;
  const std::string_view group = slash == version.npos ? std::string_view() : version.substr(0, slash);
  return facts.registry->find_kind(group, slash == version.npos ? version : version.substr(slash + 1),
                                   owner.kind);
}

void watch(const Seen& seen, const Enqueue& enqueue) {
  const Key& key = seen.key();
  const api::Object& object = *seen.change.object;
  if (!seen.change.deleted) {
    const bool waits =
        object.marks.deleting && (object.mentions("\"foregroundDeletion\"") || object.mentions("\"orphan\""));
    if (waits || (!seen.owners.empty() &&
                  (!seen.change.before || object.marks.deleting || !seen.change.before->marks.owned())))
      enqueue(key);
    return;
  }
  // Owners may wait for this one; dependents may have lost their last.
  for (const OwnerRef& owner : seen.owners)
    if (const api::Resource* type = resource_of(seen.facts, owner))
      enqueue(Key(ClusterId{std::string(key.cluster())}, type->resource(), type->namespaced ? key.ns() : "",
                  owner.name));
  if (!seen.index.any_owned(key.cluster())) return;
  const Json gone = object.parse();
  for (const Key& dependent : seen.index.owned_by(key.cluster(), api::string_at(gone, {"metadata", "uid"})))
    enqueue(dependent);
}

enum class Standing : uint8_t { Solid, Absent, Waiting };  // Waiting: the owner is deleted in the foreground

Standing standing(const Snapshot& in, const OwnerRef& owner, std::string_view ns) {
  const api::Resource* type = resource_of(in.facts(), owner);
  if (!type || owner.name.empty() || owner.name.find('/') != owner.name.npos) return Standing::Solid;
  // Nobody owns across namespaces: an owner of a namespaced kind is looked for beside its dependent only.
  if (type->namespaced && ns.empty()) return Standing::Solid;
  const ObjectPtr object = in.get(type->resource(), type->namespaced ? ns : "", owner.name);
  if (!object) return Standing::Absent;
  const Json json = object->parse();
  if (api::string_at(json, {"metadata", "uid"}) != owner.uid) return Standing::Absent;
  return api::is_deleting(json) && api::has_finalizer(json, api::kForegroundFinalizer) ? Standing::Waiting
                                                                                       : Standing::Solid;
}

// Without the references `drop` chooses.
void drop_references(Json& object, const std::function<bool(std::string_view uid)>& drop) {
  JsonArray kept;
  for (const Json& reference : api::array_at(object, {"metadata", "ownerReferences"}))
    if (!drop(api::string_at(reference, {"uid"}))) kept.push_back(reference);
  if (kept.empty()) {
    api::erase(object, {"metadata", "ownerReferences"});
  } else {
    api::set(object, {"metadata", "ownerReferences"}, std::move(kept));
  }
}

void collect(Plan& plan, const Snapshot& in, const ObjectPtr& object, WallTime now) {
  Json json = object->parse();
  if (api::is_deleting(json)) return;
  const auto owners = owners_of(json);
  std::vector<std::string> lost;
  bool solid = false, waiting = false;
  for (const OwnerRef& owner : owners) {
    const Standing s = standing(in, owner, object->key.ns());
    solid |= s == Standing::Solid;
    waiting |= s == Standing::Waiting;
    if (s != Standing::Solid) lost.push_back(owner.uid);
  }
  if (lost.empty()) return;
  if (solid) {
    drop_references(json, [&](std::string_view uid) { return std::ranges::find(lost, uid) != lost.end(); });
    return plan.update(object, std::move(json));
  }
  // Below an owner deleted in the foreground, what has dependents of its own goes the same way.
  const bool foreground = waiting && !in.owned_by(api::string_at(json, {"metadata", "uid"})).empty();
  if (!foreground) return plan.remove(object);
  api::begin_deletion(json, {.propagation = api::Propagation::Foreground}, now);
  plan.update(object, std::move(json));
}

// An owner deleted in the foreground: every dependent is told; it goes when none blocks it any more.
Plan finish_foreground(const Snapshot& in, const ObjectPtr& owner, Json json, WallTime now) {
  Plan plan;
  const std::string uid(api::string_at(json, {"metadata", "uid"}));
  bool blocked = false;
  for (const ObjectPtr& dependent : in.owned_by(uid)) {
    for (const OwnerRef& reference : owners_of(*dependent))
      blocked |= reference.uid == uid && reference.block_owner_deletion;
    if (plan.writes.size() >= kMaxWrites) {
      plan.again = true;
      continue;
    }
    collect(plan, in, dependent, now);
  }
  if (blocked) return plan;
  api::remove_finalizer(json, api::kForegroundFinalizer);
  plan.update(owner, std::move(json));
  return plan;
}

Plan finish_orphaning(const Snapshot& in, const ObjectPtr& owner, Json json) {
  Plan plan;
  const std::string uid(api::string_at(json, {"metadata", "uid"}));
  for (const ObjectPtr& dependent : in.owned_by(uid)) {
    if (plan.writes.size() >= kMaxWrites) {
      plan.again = true;
      return plan;
    }
    Json free = dependent->parse();
    drop_references(free, [&](std::string_view other) { return other == uid; });
    plan.update(dependent, std::move(free));
  }
  api::remove_finalizer(json, api::kOrphanFinalizer);
  plan.update(owner, std::move(json));
  return plan;
}

Plan reconcile(const Snapshot& in, const Key& key, WallTime now) {
  Plan plan;
  const ObjectPtr object = in.get(key.resource(), key.ns(), key.name());
  if (!object) return plan;
  Json json = object->parse();
  if (api::is_deleting(json) && api::has_finalizer(json, api::kOrphanFinalizer))
    return finish_orphaning(in, object, std::move(json));
  if (api::is_deleting(json) && api::has_finalizer(json, api::kForegroundFinalizer))
    return finish_foreground(in, object, std::move(json), now);
  collect(plan, in, object, now);
  return plan;
}

}  // namespace

const Controller kGarbage{"garbage", watch, reconcile};

}  // namespace ingot::controllers
