// ResourceClaims in placement: what pending pods' claims add to their requests, and what is written into claims when
// their pod is bound. Which device is held says the Allocation alone; a claim repeats it for who reads the API.
//
// Sharing. Of pods that name the same claim the first by key gets its devices, with a node; the others follow it there and
// have the same devices, as long as they run. One Allocation is charged for them, that of the pod that got them; when it
// ends, the oldest of the others is, from then on. So a device counts once in queues, limits and bills, and never for a pod
// that is gone. Pods that share are of one queue: else a queue could be charged for what it never admitted.
//
// Thread rule: the loop; `enter` gives the turn that is read from, and holds until the next.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "controllers/claim_needs.h"
#include "controllers/placement_writes.h"
#include "scheduler/model.h"
#include "scheduler/schedule.h"
#include "store/shard.h"

namespace ingot::controllers {

// What the bindings of a unit write into claims.
struct ClaimWrite {
  api::ObjectPtr before;
  api::Json after;
};
using ClaimWrites = std::map<api::Key, ClaimWrite>;

// What the pod's Allocation says of its claims.
struct Claimed {
  std::vector<ClaimPart> devices;  // of the first of the binding's devices: what each answers
  api::JsonArray joined;           // devices of claims that it shares, as its Allocation has them
  bool any() const { return !devices.empty() || !joined.empty(); }
};

using Lookup = std::function<api::ObjectPtr(const api::Key&)>;

class PlacementClaims {
 public:
  explicit PlacementClaims(scheduler::Model& model) : model_(model) {}

  void enter(const store::Turn& turn) { turn_ = &turn; }
  void clear();

  // Whether all claims of the pod have a name; those of templates get it from their controller, unless the template is
  // missing too.
  bool named(const api::Key& pod, const api::Json& object) const;
  // Adds what the pod's claims ask for to the unit of this pod alone, or says why it waits. Until `leave` the pod is
  // known to wait for its claims; but one that is only imagined, by what the look-up finds, is forgotten at once.
  void ask(const api::Key& pod, const api::Json& object, scheduler::Unit&, const Lookup* imagined = nullptr);
  void leave(const std::string& pod);

  // Pods to be set again when this claim or template changes.
  std::vector<api::Key> waiting_for(const api::Key& object) const;
  std::vector<api::Key> after_leaving();  // when those before them have left
  // All that wait for claims, of one cluster or ("") of any.
  std::vector<api::Key> waiting_in(std::string_view cluster) const;
  // Returns whether selectors may choose otherwise now.
  bool set_slice(std::string_view node, const api::Json* slice) { return kinds_.set_node(node, slice); }

  // The claims of a pod that is about to be bound; none: one is not what it was. What its unit writes grows.
  std::optional<Claimed> grant(const api::Key& pod, const scheduler::Binding&, ClaimWrites&,
                               WallTime now) const;

 private:
  struct Named {
    std::string entry;  // of spec.resourceClaims
    api::Key claim;
    std::string uid;
    bool joins = false;  // others have it
  };
  // Who has a claim.
  struct Held {
    bool taken = false;
    std::string node, queue;  // where it is, and what it counts in
    api::Json allocation;     // of one who has it; null where it is not to be seen
  };
  struct Waiting {
    std::set<std::string> objects;  // claims and templates it depends on, by key
    std::vector<Named> claims;
    std::vector<Way> ways;  // by the choice of a binding
    std::string node;       // of the claims that others have; "": none
    std::string queue;      // … and what they count in
  };
  std::expected<Named, std::string> read(const api::Key& pod, const api::Json& object, const api::Json& named,
                                         const Lookup&, Waiting&, ClaimNeeds& all, int64_t& steps) const;
  static std::string follow_others(scheduler::Unit&, const Waiting&);
  static void join(const Named&, const api::Json& holder, api::JsonArray& out);
  std::expected<void, std::string> put_in(scheduler::PendingPod&, ClaimNeeds, Waiting&) const;
  std::expected<Held, std::string> holder(const api::Key& pod, const api::Json& object, const Lookup&,
                                          const api::Object& stored, const api::Json& claim) const;
  std::optional<Held> allocation_of(std::string_view uid, std::string_view cluster, const Lookup&) const;
  static std::optional<api::Json> device_class(const Lookup&, const api::Key& pod, std::string_view name);

  scheduler::Model& model_;
  const store::Turn* turn_ = nullptr;
  DeviceKinds kinds_;
  std::map<std::string, Waiting, std::less<>> waiting_;                  // by pod key
  std::map<std::string, std::set<std::string>, std::less<>> by_object_;  // object key → pod keys
  std::map<std::string, std::set<std::string>> left_;                    // pod key → what it depended on
};

}  // namespace ingot::controllers
