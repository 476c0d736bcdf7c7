#include "controllers/index.h"

namespace ingot::controllers {
namespace {

void drop(std::map<std::string, std::set<api::Key>, std::less<>>& sets, std::string_view name,
          const api::Key& key) {
  const auto set = sets.find(name);
  if (set == sets.end()) return;
  set->second.erase(key);
  if (set->second.empty()) sets.erase(set);
}

std::vector<OwnerRef> owners_in(const api::JsonArray& references) {
  std::vector<OwnerRef> owners;
  for (const api::Json& o : references)
    owners.push_back({.api_version = std::string(api::string_at(o, {"apiVersion"})),
                      .kind = std::string(api::string_at(o, {"kind"})),
                      .name = std::string(api::string_at(o, {"name"})),
                      .uid = std::string(api::string_at(o, {"uid"})),
                      .controller = api::bool_at(o, {"controller"}),
                      .block_owner_deletion = api::bool_at(o, {"blockOwnerDeletion"})});
  return owners;
}

}  // namespace

std::vector<OwnerRef> owners_of(const api::Json& object) {
  return owners_in(api::array_at(object, {"metadata", "ownerReferences"}));
}
std::vector<OwnerRef> owners_of(const api::Object& object) { return owners_in(object.owners()); }

Traits traits_of(const api::Object& object) {
  Traits traits;
  const bool pod = object.key.resource() == "pods";
  traits.owners = owners_of(object);
  if (pod) traits.node = object.node;
  traits.ended = pod && object.marks.ended;
  traits.ends = object.key.resource() == "namespaces" && object.marks.deleting;
  return traits;
}

void Index::add(const api::Object& object, const Traits& traits) {
  const std::string cluster(object.key.cluster());
  for (const OwnerRef& owner : traits.owners) owned_[cluster][owner.uid].insert(object.key);
  if (!traits.node.empty()) pods_[traits.node].insert(object.key);
  if (traits.ended) ended_[cluster].insert(object.key);
  if (traits.ends) ending_.insert(object.key);
}

void Index::remove(const api::Object& object, const Traits& traits) {
  if (const auto cluster = owned_.find(object.key.cluster()); cluster != owned_.end()) {
    for (const OwnerRef& owner : traits.owners) drop(cluster->second, owner.uid, object.key);
    if (cluster->second.empty()) owned_.erase(cluster);
  }
  if (!traits.node.empty()) drop(pods_, traits.node, object.key);
  if (traits.ended) drop(ended_, object.key.cluster(), object.key);
  if (traits.ends) ending_.erase(object.key);
}

void Index::clear() {
  owned_.clear();
  pods_.clear();
  ended_.clear();
  ending_.clear();
}

std::vector<api::Key> Index::owned_by(std::string_view cluster, std::string_view uid) const {
  const auto c = owned_.find(cluster);
  if (c == owned_.end()) return {};
  const auto u = c->second.find(uid);
  return u == c->second.end() ? std::vector<api::Key>()
                              : std::vector<api::Key>(u->second.begin(), u->second.end());
}

size_t Index::ended_pods(std::string_view cluster) const {
  const auto c = ended_.find(cluster);
  return c == ended_.end() ? 0 : c->second.size();
}

std::vector<api::Key> Index::pods_on(std::string_view node) const {
  const auto n = pods_.find(node);
  return n == pods_.end() ? std::vector<api::Key>()
                          : std::vector<api::Key>(n->second.begin(), n->second.end());
}

}  // namespace ingot::controllers
