// A tenant's life: its Tenant object and its cluster are made in one turn; when it is deleted its pods go first, and
// only when no Allocation names it any more are its keys erased, in bounded steps, and its name is free again.
// Loop thread.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "apiserver/context.h"
#include "apiserver/subscription.h"

namespace ingot::apiserver {

Result<void> admit_tenant(Call&, api::Json& object);
Result<void> admit_tenant_update(Call&, const api::Json& before, api::Json& after);
// Writes the new tenant's cluster: namespaces, the default ServiceAccount and the CA's ConfigMap.
Result<void> make_cluster(ClusterView, Services&);
// POST tenants/NAME/kubeconfig {user, groups, ttlSeconds} → {kubeconfig}.
Result<Outcome> make_kubeconfig(Call&);

inline constexpr std::string_view kTenantFinalizer = "factory.ingot.dev/cluster";

// Knows the tenants by their clusters (as of what is durable) and finishes deletions, also those that a restart
// interrupted.
class TenantKeeper {
 public:
  explicit TenantKeeper(Services&);
  ~TenantKeeper();

  struct Known {
    std::string name;
    bool ending = false;
  };
  const Known* find(const ClusterId&) const;

 private:
  void changed(const store::Change&);
  void tick();
  void tick_at(Instant);
  void step(store::Turn&, const std::string& tenant);

  Services& services_;
  std::map<std::string, Known, std::less<>> by_cluster_;
  std::set<std::string> ending_;
  env::TimerId timer_ = 0;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // inputs on their way look at it weakly
  Subscription tenants_;                                              // last: it calls into the rest
};

}  // namespace ingot::apiserver
