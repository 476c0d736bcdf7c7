// The table of controllers. A new one is a file with its Controller and a row in table.cc.
// Thread rule: the loop; all functions are pure.
#pragma once

#include <functional>
#include <span>

#include "controllers/index.h"
#include "controllers/plan.h"
#include "store/shard.h"

namespace ingot::controllers {

struct Seen {
  const store::Change& change;
  const std::vector<OwnerRef>& owners;  // of change.object
  const Index& index;                   // the change included
  const Facts& facts;
  const Key& key() const { return change.object->key; }
};
using Enqueue = std::function<void(const Key&)>;

struct Controller {
  std::string_view name;
  // Which keys a change concerns. Called for every change of the shard: looks at the key's resource first.
  void (*watch)(const Seen&, const Enqueue&);
  Plan (*reconcile)(const Snapshot&, const Key&, WallTime now);
};

std::span<const Controller* const> all_controllers();

extern const Controller kNamespaceDefaults;   // namespace_defaults.cc
extern const Controller kNamespaceLifecycle;  // namespace_lifecycle.cc
extern const Controller kGarbage;             // garbage.cc
extern const Controller kPodGarbage;          // pod_garbage.cc
extern const Controller kJob;                 // job.cc
extern const Controller kClaim;               // claim.cc

}  // namespace ingot::controllers
