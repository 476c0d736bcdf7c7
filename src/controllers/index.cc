#include "controllers/index.h"

namespace ingot::controllers {
namespace {

bool mentions(const api::Object& object, std::string_view text) {
  return object.json.find(text) != std::string::npos;
}

std::string node_of(const api::Object& object) {
  if (object.key.resource() != "pods" || !mentions(object, "\"nodeName\"")) return {};
  return std::string(api::string_at(object.parse(), {"spec", "nodeName"}));
}

bool ends(const api::Object& object) {
  return object.key.resource() == "namespaces" && mentions(object, "\"deletionTimestamp\"");
}

}  // namespace

std::vector<OwnerRef> owners_of(const api::Json& object) {
  std::vector<OwnerRef> owners;
  for (const api::Json& o : api::array_at(object, {"metadata", "ownerReferences"}))
    owners.push_back({.api_version = std::string(api::string_at(o, {"apiVersion"})),
                      .kind = std::string(api::string_at(o, {"kind"})),
                      .name = std::string(api::string_at(o, {"name"})),
                      .uid = std::string(api::string_at(o, {"uid"})),
                      .controller = api::bool_at(o, {"controller"}),
                      .block_owner_deletion = api::bool_at(o, {"blockOwnerDeletion"})});
  return owners;
}
std::vector<OwnerRef> owners_of(const api::Object& object) {
  if (!mentions(object, "\"ownerReferences\"")) return {};
  return owners_of(object.parse());
}

void Index::add(const api::Object& object) {
  for (const OwnerRef& owner : owners_of(object))
    owned_[std::string(object.key.cluster())][owner.uid].insert(object.key);
  if (std::string node = node_of(object); !node.empty()) pods_[std::move(node)].insert(object.key);
  if (ends(object)) ending_.insert(object.key);
}

void Index::remove(const api::Object& object) {
  for (const OwnerRef& owner : owners_of(object)) {
    const auto cluster = owned_.find(object.key.cluster());
    if (cluster == owned_.end()) break;
    if (const auto uid = cluster->second.find(owner.uid); uid != cluster->second.end()) {
      uid->second.erase(object.key);
      if (uid->second.empty()) cluster->second.erase(uid);
    }
    if (cluster->second.empty()) owned_.erase(cluster);
  }
  if (const auto node = pods_.find(node_of(object)); node != pods_.end()) {
    node->second.erase(object.key);
    if (node->second.empty()) pods_.erase(node);
  }
  if (ends(object)) ending_.erase(object.key);
}

void Index::clear() {
  owned_.clear();
  pods_.clear();
  ending_.clear();
}

std::vector<api::Key> Index::owned_by(std::string_view cluster, std::string_view uid) const {
  const auto c = owned_.find(cluster);
  if (c == owned_.end()) return {};
  const auto u = c->second.find(uid);
  return u == c->second.end() ? std::vector<api::Key>()
                              : std::vector<api::Key>(u->second.begin(), u->second.end());
}

std::vector<api::Key> Index::pods_on(std::string_view node) const {
  const auto n = pods_.find(node);
  return n == pods_.end() ? std::vector<api::Key>()
                          : std::vector<api::Key>(n->second.begin(), n->second.end());
}

}  // namespace ingot::controllers
