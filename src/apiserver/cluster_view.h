// The only way from a handler to stored objects: a Turn seen through one cluster's id. It builds every key itself, so
// a handler that holds a view of one cluster has no words for another's keys. Valid inside the turn only.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "store/shard.h"

namespace ingot::apiserver {

class ClusterView {
 public:
  ClusterView(store::Turn& turn, ClusterId cluster) : turn_(turn), cluster_(std::move(cluster)) {}

  const ClusterId& cluster() const { return cluster_; }
  bool is_root() const { return cluster_ == kRootCluster; }
  Revision revision() const { return turn_.revision(); }

  // A name that no key can hold (from a body not yet judged) names nothing.
  api::ObjectPtr get(std::string_view resource, std::string_view ns, std::string_view name) const {
    if (name.empty() || name.find('/') != name.npos || ns.find('/') != ns.npos) return nullptr;
    return turn_.get(api::Key(cluster_, resource, ns, name));
  }
  // Objects of a type, in one namespace or (ns empty) all, whose "namespace/name" is greater than `after`.
  void range(std::string_view resource, std::string_view ns, std::string_view after,
             const store::Visit& visit) const {
    turn_.range(prefix(resource, ns), start(resource, after), visit);
  }
  Result<void> range_at(Revision revision, std::string_view resource, std::string_view ns,
                        std::string_view after, const store::Visit& visit) const {
    return turn_.range_at(revision, prefix(resource, ns), start(resource, after), visit);
  }
  Result<api::ObjectPtr> put(std::string_view resource, std::string_view ns, std::string_view name,
                             api::Json object, std::optional<Revision> expect = std::nullopt) {
    return turn_.put(api::Key(cluster_, resource, ns, name), std::move(object), expect);
  }
  Result<api::ObjectPtr> erase(std::string_view resource, std::string_view ns, std::string_view name,
                               std::optional<Revision> expect = std::nullopt) {
    return turn_.erase(api::Key(cluster_, resource, ns, name), expect);
  }
  // A row about this cluster (store::Row).
  void append(std::string stream, WallTime at, std::string data, std::string unique = {}) {
    turn_.append({std::move(stream), std::move(unique), cluster_.value, at, std::move(data)});
  }

 private:
  std::string prefix(std::string_view resource, std::string_view ns) const {
    return ns.empty() ? api::type_prefix(cluster_, resource) : api::namespace_prefix(cluster_, resource, ns);
  }
  std::string start(std::string_view resource, std::string_view after) const {
    return after.empty() ? std::string() : api::type_prefix(cluster_, resource).append(after);
  }

  store::Turn& turn_;
  ClusterId cluster_;
};

}  // namespace ingot::apiserver
