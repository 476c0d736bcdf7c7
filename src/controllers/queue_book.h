// The Queues and Pools of the factory, kept in the scheduler's model, and which of the queues a tenant's work may name.
//
// Work names a queue by the label kueue.x-k8s.io/queue-name. A tenant's own leaf goes by the tenant's name; a Queue
// may be named by the tenants that it, or a queue above it, lists in spec.tenants, and by the operator's own work.
//
// Thread rule: the loop. Invariant: the model's queues and pools are exactly the objects.
#pragma once

#include <expected>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "scheduler/model.h"
#include "scheduler/objects_queues.h"

namespace ingot::controllers {

class QueueBook {
 public:
  explicit QueueBook(scheduler::Model& model) : model_(model) {}

  // nullptr: it is gone. Returns whether what work may name, or what it gets there, is another now.
  bool set_queue(std::string_view name, const api::Json*);
  void set_pool(std::string_view name, const api::Json*);
  // A tenant's cluster id and the queue its leaf hangs below; "": the tenant is gone. Returns as set_queue does.
  bool set_tenant(std::string_view name, std::string_view cluster, std::string_view queue);
  void clear();

  // The queue that work of the tenant counts in: "" for its own leaf. Or why it may not be there.
  std::expected<std::string, std::string> resolve(std::string_view tenant, std::string_view label) const;
  // That queue and those above it, itself first; of "" the tenant's own leaf, by the tenant's name.
  std::vector<std::string> chain(std::string_view tenant, std::string_view queue) const;
  // How long such work runs before it may be a victim.
  Duration least_run(std::string_view tenant, std::string_view queue) const;

 private:
  struct Tenant {
    std::string cluster, queue;
  };
  const scheduler::QueueObject* find(std::string_view name) const;
  // The queue and those above it, until `visit` returns true: whether it did.
  template <class Visit>
  bool upwards(std::string_view name, Visit visit) const;
  void show_pool(scheduler::Pool);  // to the model

  scheduler::Model& model_;
  std::map<std::string, scheduler::QueueObject, std::less<>> queues_;
  std::map<std::string, scheduler::Pool, std::less<>> pools_;  // their tenants by name
  std::map<std::string, Tenant, std::less<>> tenants_;         // by name
};

}  // namespace ingot::controllers
