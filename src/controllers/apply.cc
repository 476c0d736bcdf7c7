#include "controllers/apply.h"

#include "api/deletion.h"
#include "base/encoding.h"

namespace ingot::controllers {
namespace {

constexpr int kNameAttempts = 8;

Result<void> done(const Result<ObjectPtr>& written) {
  if (!written) return fail(written.error());
  return {};
}

Result<ObjectPtr> create(store::Turn& turn, env::Env& env, Write& write) {
  const std::string prefix(api::string_at(write.object, {"metadata", "generateName"}));
  const bool generated = !prefix.empty() && api::string_at(write.object, {"metadata", "name"}).empty();
  api::set(write.object, {"metadata", "uid"}, uuid(env.entropy.next(), env.entropy.next()));
  api::set(write.object, {"metadata", "creationTimestamp"}, to_rfc3339(env.clock.wall()));
  const ClusterId cluster{std::string(write.key.cluster())};
  Result<ObjectPtr> stored = fail(Reason::InternalError, "no name");
  for (int attempt = 0; attempt < kNameAttempts; ++attempt) {
    Key key = write.key;
    if (generated) {
      const std::string name = prefix + name_suffix(env.entropy.next(), 5);
      api::set(write.object, {"metadata", "name"}, name);
      key = Key(cluster, write.key.resource(), write.key.ns(), name);
    }
    stored = turn.put(key, write.object, Revision{0});
    if (stored || !generated || stored.error().reason != Reason::AlreadyExists) break;
  }
  return stored;
}

Result<void> remove(store::Turn& turn, WallTime now, const Write& write) {
  const ObjectPtr object = turn.get(write.key);
  if (!object) return {};
  Json json = object->parse();
  if (api::begin_deletion(json, {}, now)) return done(turn.erase(write.key, write.expect));
  if (api::to_text(json) == object->json) return {};
  return done(turn.put(write.key, std::move(json), write.expect));
}

Result<void> carry_out(store::Turn& turn, env::Env& env, Index& index, Write& write) {
  switch (write.op) {
    case Write::Op::Create: {
      auto stored = create(turn, env, write);
      if (!stored) return fail(stored.error());
      index.add(**stored, traits_of(**stored));
      return {};
    }
    case Write::Op::Update: {
      if (api::deletion_complete(write.object)) return done(turn.erase(write.key, write.expect));
      return done(turn.put(write.key, std::move(write.object), write.expect));
    }
    case Write::Op::Delete:
      return remove(turn, env.clock.wall(), write);
    case Write::Op::Erase:
      return done(turn.erase(write.key, write.expect));
  }
  return {};
}

}  // namespace

ObjectPtr TurnSnapshot::get(std::string_view resource, std::string_view ns, std::string_view name) const {
  return name.empty() ? nullptr : turn_.get(Key(cluster_, resource, ns, name));
}
void TurnSnapshot::range(std::string_view resource, std::string_view ns,
                         const std::function<bool(const ObjectPtr&)>& visit) const {
  turn_.range(
      ns.empty() ? api::type_prefix(cluster_, resource) : api::namespace_prefix(cluster_, resource, ns), "",
      visit);
}
void TurnSnapshot::everything(const std::function<bool(const ObjectPtr&)>& visit) const {
  turn_.range(api::cluster_prefix(cluster_), "", visit);
}
std::vector<ObjectPtr> TurnSnapshot::owned_by(std::string_view uid) const {
  std::vector<ObjectPtr> found;
  for (const Key& key : index_.owned_by(cluster_.value, uid)) {
    ObjectPtr object = turn_.get(key);
    if (!object) continue;
    for (const OwnerRef& owner : owners_of(*object)) {
      if (owner.uid != uid) continue;
      found.push_back(std::move(object));
      break;
    }
  }
  return found;
}
bool TurnSnapshot::node_exists(std::string_view name) const {
  return !name.empty() && turn_.get(Key(kRootCluster, "nodes", "", name)) != nullptr;
}

Result<void> apply(store::Turn& turn, env::Env& env, Index& index, Plan plan) {
  for (Write& write : plan.writes)
    if (auto done = carry_out(turn, env, index, write); !done) return done;
  return {};
}

}  // namespace ingot::controllers
