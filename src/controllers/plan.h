// What a controller sees and what it answers. A reconciler is a pure function from a view of one cluster to the writes
// that bring it nearer to what its object asks for; it keeps nothing between calls.
//
// Thread rule: the loop. Invariants: a Snapshot is bound to one cluster and cannot name another's keys; a Plan is written
// in the turn its Snapshot was taken in, in order, up to the first write that fails; the key then comes again.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/object.h"
#include "api/registry.h"
#include "base/time.h"

namespace ingot::controllers {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::Key;
using api::ObjectPtr;

// What holds for the whole factory.
struct Facts {
  const api::Registry* registry = nullptr;
  std::string ca_pem;               // the text of kube-root-ca.crt
  size_t terminated_pods = 12'500;  // kept in one cluster before the oldest go
};

class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual const ClusterId& cluster() const = 0;
  virtual const Facts& facts() const = 0;
  virtual ObjectPtr get(std::string_view resource, std::string_view ns, std::string_view name) const = 0;
  // Objects of one resource in key order; in every namespace when `ns` is empty. False from the visit stops.
  virtual void range(std::string_view resource, std::string_view ns,
                     const std::function<bool(const ObjectPtr&)>&) const = 0;
  // Every object of the cluster in key order.
  virtual void everything(const std::function<bool(const ObjectPtr&)>&) const = 0;
  // Objects whose metadata.ownerReferences name `uid`, in key order.
  virtual std::vector<ObjectPtr> owned_by(std::string_view uid) const = 0;
  // Whether the factory has this node: the one fact about `root` that pods depend on.
  virtual bool node_exists(std::string_view name) const = 0;
};

struct Write {
  enum class Op : uint8_t {
    Create,  // metadata.name, or generateName completed by the driver; uid and creationTimestamp are the driver's too
    Update,  // of the revision in `expect`; erased instead when nothing holds a deleted object any more
    Delete,  // as the API's DELETE with background propagation would: graceful where a node runs the pod
    Erase,
  };
  Op op;
  Key key;  // for Create: name is ignored when the object has a generateName
  Json object;
  std::optional<Revision> expect;
};

struct Plan {
  std::vector<Write> writes;
  std::optional<Duration> revisit_after;  // look again then; the earliest of several wishes
  bool again = false;                     // there was more than fits in one turn

  void create(const Snapshot&, std::string_view resource, Json object);
  void update(const ObjectPtr& before, Json object);
  void remove(const ObjectPtr&);  // Delete
  void erase(const ObjectPtr&);
  void revisit(Duration after);
};

inline constexpr size_t kMaxWrites = 500;  // a plan's; the rest comes with `again`

}  // namespace ingot::controllers
