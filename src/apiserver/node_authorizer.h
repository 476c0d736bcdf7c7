// What a node may do: its own Node, Lease and ResourceSlices, the Allocations that name it, the pods bound to it and
// what those pods name. Everything else is refused. Loop thread.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "apiserver/context.h"
#include "apiserver/subscription.h"

namespace ingot::apiserver {

// Which pods each node holds Allocations for, kept from the shard's changes.
class Holdings {
 public:
  struct Pod {
    std::string cluster, ns, name;
  };
  using Pods = std::map<std::string, Pod>;  // by uid

  Holdings(env::Env&, store::Shard&);
  const Pods& of(std::string_view node) const;
  bool any_in(const std::string& cluster) const { return by_cluster_.contains(cluster); }
  bool ready() const { return ready_; }

 private:
  void add(const api::ObjectPtr&);
  void remove(const api::ObjectPtr&);

  bool ready_ = false;
  std::map<std::string, Pods, std::less<>> by_node_;
  std::map<std::string, size_t> by_cluster_;
  Subscription allocations_;  // last: it calls into the rest
};

// The first verdict on a node's request; a node has no others.
bool node_may(Call&, std::string_view node);
// What only the body says: whose Node, Lease or slice it is. Does nothing for who is no node.
Result<void> admit_node_write(Call&, const api::Json* before, const api::Json& after);
// Whether the caller is the node that this pod is bound to and held by.
bool holds_pod(Call&, const api::Json& pod);

}  // namespace ingot::apiserver
