// Which pods wait for a node, as the units the scheduler places: single pods, and gangs. Kept pod by pod.
// Thread rule: the loop. Invariant: the model's units are exactly the pending pods of known tenants.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/object.h"
#include "base/text_map.h"
#include "controllers/budget_book.h"
#include "controllers/gatekeeper.h"
#include "controllers/group_book.h"
#include "controllers/placement_claims.h"
#include "controllers/queue_book.h"
#include "scheduler/model.h"
#include "scheduler/objects.h"

namespace ingot::controllers {

struct WaitingPod {
  api::Key key;
  std::shared_ptr<const std::string> told;  // the reason its condition gives, if any
  std::optional<WallTime> told_at;          // when we last wrote that; none: before our time
  std::string nominated;                    // its status' nominatedNodeName
  std::string workflow;                     // that it is of
};

class PlacementUnits {
 public:
  PlacementUnits(scheduler::Model& model, const QueueBook& book, PlacementClaims& claims, Gatekeeper& gates,
                 GroupBook& told, BudgetBook& budgets)
      : model_(model), book_(book), claims_(claims), gates_(gates), told_(told), budgets_(budgets) {}

  // nullptr: the pod is gone. Returns the pod as it was read; null where it was not.
  api::Json set_pod(const api::Key&, const api::Object*);
  // It got its node, and is otherwise what it was when it was set: a pod of no gang is not parsed again.
  void set_placed(const api::Key&, const api::Object&);
  // None: the tenant is gone. Returns the pods that came before their tenant: set them again.
  std::vector<api::Key> set_tenant(std::string_view tenant_name, std::optional<scheduler::Tenant>);
  // A PodGroup says how many pods its gang needs; none: it is gone.
  void set_group(const api::Key&, std::optional<int64_t> least);
  // Waiting pods that name a queue: to be set again when it is another whose queues are.
  std::vector<api::Key> of_named_queues() const;
  // All that wait, of one cluster or ("") of any.
  std::vector<api::Key> waiting_in(std::string_view cluster) const;
  // Brings the model's gangs up to date; to be called after the above.
  void settle();
  void clear();
  // Pods with a node that were told to go, or are gone, hold their devices until their Allocation ends.
  bool is_leaving(std::string_view uid) const { return leaving_.contains(uid); }
  void ended(std::string_view uid);

  // nullptr when no pending pod has this uid.
  WaitingPod* waiting(std::string_view uid);
  const std::set<std::string>& nominated() const { return nominated_; }  // uids of pending pods with one
  void set_nominated(const std::string& uid, std::string_view node);     // "": none
  std::string unit_name(std::string_view uid) const;  // the unit of a pending pod; "": it is none
  // A pod as if it were alone. With a look-up: one that is only imagined.
  scheduler::Unit unit_of(const api::Key&, const api::Json& pod, std::string uid,
                          const Lookup* imagined = nullptr) const;
  size_t size() const { return waiting_.size(); }
  size_t gangs() const { return gangs_.size(); }
  // The name of the tenant that a cluster is; "" when nobody is known to own it.
  std::string_view tenant_of(std::string_view cluster) const;
  std::string_view cluster_of(std::string_view tenant) const;            // "" where there is no such tenant
  std::string workflow_of(const api::Key&, const api::Json& pod) const;  // as gates know it
  // How exceptions know the pods of these uids, as far as they wait.
  std::vector<PodName> names_of(const std::vector<std::string>& uids) const;

 private:
  struct Member {
    scheduler::Unit unit;  // as if it were alone
    int64_t rank;
    scheduler::Labels topology;  // its annotations for that
    std::string fault;           // in what it says of its gang
  };
  struct Gang {
    int64_t size = 0, least = 0;            // announced by its pods
    std::map<std::string, Member> pending;  // by pod key
    std::set<std::string> settled;          // pod keys that have their node or have succeeded
  };
  struct Place {
    std::string uid;
    std::string gang;  // gang id, "" for a single pod
    int64_t gang_size = 0, gang_least = 0;
    std::string fault;
  };
  void set_pod(const api::Key&, const api::Json& pod);
  void place(const api::Key&, const api::Json& pod, Place, bool pending);
  void leave(const std::string& uid, bool gone);
  void forget(const std::string& key);
  void forget_cluster(const std::string& cluster);
  void settle_gang(const std::string& id);
  void set_unit(scheduler::Unit);  // in the model, once its money is looked at
  void set_subject(const api::Key&, const api::Json& pod, scheduler::PodState);
  void forget_subject(const std::string& key);

  scheduler::Model& model_;
  const QueueBook& book_;
  PlacementClaims& claims_;
  Gatekeeper& gates_;
  GroupBook& told_;  // what groups are told of their pods
  BudgetBook& budgets_;
  std::set<std::string> nominated_;             // uids
  std::set<std::string, std::less<>> leaving_;  // uids
  std::set<std::string, std::less<>> named_;    // keys of waiting pods that name a queue
  HashMap<WaitingPod> waiting_;                 // by uid
  TextMap<Place> places_;                       // by pod key: pods that matter here
  TextMap<std::string> subjects_;               // pod key → uid: all that affinity sees
  std::map<std::string, std::set<std::string>, std::less<>> strays_;  // cluster of no known tenant → pod keys
  std::map<std::string, Gang, std::less<>> gangs_;                    // "cluster/namespace/name"
  std::set<std::string> changed_;                                     // gang ids to settle
  std::map<std::string, int64_t> groups_;                             // gang id → its PodGroup's minMember
  std::map<std::string, std::string, std::less<>> tenants_;           // cluster → tenant's name
  std::map<std::string, std::string, std::less<>> clusters_;          // tenant's name → cluster
};

}  // namespace ingot::controllers
