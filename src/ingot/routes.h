// What the factory answers beside Kubernetes' types, below /apis/factory.ingot.dev/v1alpha1:
//   GET usage?tenant=T&sinceSeconds=N    who used what; a tenant's own in its own cluster
//   GET history?sinceSeconds=N&next=P    what was held, row by row and page by page; a tenant's own in its own cluster
//   GET queuesummaries                   what queues hold, and who comes first; a tenant's own leaf in its own cluster
//   GET budgetsummaries?name=B           budgets as they stand; those that name the tenant in its own cluster
//   GET explain?namespace=N&pod=P        why a pod of the cluster waits, or where it is
//   GET audit?user=U&verb=V&resource=R&name=N&denied=true&changes=true&sinceSeconds=N&next=P   who did what (apiserver/audit_log.h); in
//                                        root of all clusters, or of &cluster=ID
//   GET signingkeys                      the public keys of all that the factory signed
//   POST signingkeys                     a new one signs from now on; in root alone
//   GET lineage?of=KIND/NAME&way=W&depth=N&nodes=N   what something came from and what came of it (registry/lineage.h), in the
//                                        cluster; in root also &cluster=ID, for those that are gone
//   GET gateverdicts?tenant=T&sinceSeconds=N&after=S   what gates said, page by page; a tenant's own in its own cluster
// Thread rule: the loop. Everything passed in outlives the routes.
#pragma once

#include <memory>

#include "apiserver/server.h"
#include "env/env.h"

namespace ingot::controllers {
class Placement;
}
namespace ingot::env {
struct Signer;
}
namespace ingot::registry {
class Lineage;
}

namespace ingot {

inline constexpr int64_t kLongestSince_s = 4'000'000'000;

// All that needs no more than these; keys and lineage are mounted by `Signing`.
void mount_routes(apiserver::Server&, env::Env&, store::Shard&,
                  const std::unique_ptr<controllers::Placement>&);

apiserver::ExtraRoute usage_route(env::Env&, store::Shard&);
apiserver::ExtraRoute history_route(env::Env&, store::Shard&);
apiserver::ExtraRoute queues_route(store::Shard&, const std::unique_ptr<controllers::Placement>&);
apiserver::ExtraRoute budgets_route(store::Shard&, const std::unique_ptr<controllers::Placement>&);
apiserver::ExtraRoute explain_route(store::Shard&, const std::unique_ptr<controllers::Placement>&);
apiserver::ExtraRoute keys_route(env::Signer&);
apiserver::ExtraRoute rotate_route(env::Signer&, env::Worker&, env::Log&);
apiserver::ExtraRoute audit_route(env::Env&, store::Shard&);
apiserver::ExtraRoute verdicts_route(env::Env&, store::Shard&);
apiserver::ExtraRoute lineage_route(const std::unique_ptr<registry::Lineage>&);

}  // namespace ingot
