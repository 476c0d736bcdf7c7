// The few things reconcilers look up that keys do not say: who is owned by whom, which pods a node has, which
// namespaces end. Kept from the shard's changes; holds nothing for what has no owner, no node and no end, so an idle
// tenant costs nothing here.
//
// Thread rule: the loop. An index may lag the objects or name what is gone: readers get the object and check. It never
// lacks what the driver itself wrote.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/object.h"

namespace ingot::controllers {

struct OwnerRef {
  std::string api_version, kind, name, uid;
  bool controller = false, block_owner_deletion = false;
};
// Empty at once for an object whose text has no ownerReferences.
std::vector<OwnerRef> owners_of(const api::Object&);
std::vector<OwnerRef> owners_of(const api::Json&);

// What the index keeps of an object, read once.
struct Traits {
  std::vector<OwnerRef> owners;
  std::string node;    // of a pod
  bool ended = false;  // a pod that seems to have ended
  bool ends = false;   // a namespace that is being deleted
};
Traits traits_of(const api::Object&);

class Index {
 public:
  void add(const api::Object&, const Traits&);
  void remove(const api::Object&, const Traits&);
  void clear();

  // By cluster, so that a reference to another tenant's uid finds nothing.
  std::vector<api::Key> owned_by(std::string_view cluster, std::string_view uid) const;
  bool any_owned(std::string_view cluster) const { return owned_.contains(cluster); }
  std::vector<api::Key> pods_on(std::string_view node) const;
  size_t ended_pods(std::string_view cluster) const;
  bool is_ending(const api::Key& ns) const { return ending_.contains(ns); }
  bool any_ending() const { return !ending_.empty(); }

 private:
  using Keys = std::set<api::Key>;
  std::map<std::string, std::map<std::string, Keys, std::less<>>, std::less<>> owned_;  // cluster, uid
  std::map<std::string, Keys, std::less<>> pods_;                                       // node
  std::map<std::string, Keys, std::less<>> ended_;                                      // cluster
  Keys ending_;                                                                         // namespaces
};

}  // namespace ingot::controllers
