// ResourceClaims in placement: what pending pods' claims add to their requests, and what is written into claims when
// their pod is bound. Which device is held says the Allocation alone; a claim repeats it for who reads the API.
//
// Thread rule: the loop; `enter` gives the turn that is read from, and holds until the next. Invariants: a claim is held
// by one pod at a time; of pods that name the same claim the first by key waits for a node, the others for that pod.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "controllers/claim_needs.h"
#include "scheduler/model.h"
#include "scheduler/schedule.h"
#include "store/shard.h"

namespace ingot::controllers {

// What of a binding goes to the pod's claims.
struct Claimed {
  struct Write {
    api::ObjectPtr before;
    api::Json after;
  };
  std::vector<Write> writes;
  // Of the first of the binding's devices: the entry of spec.resourceClaims, and the request, that each answers.
  std::vector<std::pair<std::string, std::string>> devices;
};

class PlacementClaims {
 public:
  explicit PlacementClaims(scheduler::Model& model) : model_(model) {}

  void enter(const store::Turn& turn) { turn_ = &turn; }
  void clear();

  // Whether all claims of the pod have a name; those of templates get it from their controller, unless the template is
  // missing too.
  bool named(const api::Key& pod, const api::Json& object) const;
  // Adds what the pod's claims ask for to the unit of this pod alone, or says why it waits. Until `leave` the pod is
  // known to wait for its claims; but one that is only imagined (`real` is false) is forgotten at once.
  void ask(const api::Key& pod, const api::Json& object, scheduler::Unit&, bool real = true);
  void leave(const std::string& pod);

  // Pods to be set again when this claim or template changes: the first few, for only the first can get it.
  std::vector<api::Key> waiting_for(const api::Key& object) const;
  std::vector<api::Key> after_leaving();  // when those before them have left
  // All that wait for claims, of one cluster or ("") of any.
  std::vector<api::Key> waiting_in(std::string_view cluster) const;
  // Returns whether selectors may choose otherwise now.
  bool set_slice(std::string_view node, const api::Json* slice) { return kinds_.set_node(node, slice); }

  // The claims of a pod that is about to be bound; none: one is not free any more, or is in `taken`, to which they are
  // added.
  std::optional<Claimed> grant(const api::Key& pod, const scheduler::Binding&, std::set<api::Key>& taken,
                               WallTime now) const;

 private:
  struct Named {
    std::string entry;  // of spec.resourceClaims
    api::Key claim;
    std::string uid;
  };
  struct Waiting {
    std::set<std::string> objects;  // claims and templates it depends on, by key
    std::vector<Named> claims;
    std::vector<Way> ways;  // by the choice of a binding
  };
  std::expected<Named, std::string> read(const api::Key& pod, const api::Json& object, const api::Json& named,
                                         Waiting&, ClaimNeeds& all, int64_t& steps) const;
  std::expected<void, std::string> put_in(scheduler::PendingPod&, ClaimNeeds, Waiting&) const;
  std::optional<std::string> busy(const api::Key& pod, std::string_view uid, const api::Object& claim,
                                  const api::Json&) const;
  std::optional<api::Json> device_class(const api::Key& pod, std::string_view name) const;

  scheduler::Model& model_;
  const store::Turn* turn_ = nullptr;
  DeviceKinds kinds_;
  std::map<std::string, Waiting, std::less<>> waiting_;                  // by pod key
  std::map<std::string, std::set<std::string>, std::less<>> by_object_;  // object key → pod keys
  std::map<std::string, std::set<std::string>> left_;                    // pod key → what it depended on
};

}  // namespace ingot::controllers
