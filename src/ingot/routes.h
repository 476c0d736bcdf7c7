// What the factory answers beside Kubernetes' types, below /apis/factory.ingot.dev/v1alpha1:
//   GET credentials?tenant=T&user=U&groups=G,H&ttlSeconds=N   a kubeconfig for a tenant's user; operators, at root
//   GET usage?tenant=T&sinceSeconds=N                         who used what; a tenant's own in its own cluster
// Thread rule: the loop. Everything passed in outlives the routes.
#pragma once

#include <string>

#include "apiserver/server.h"
#include "env/env.h"
#include "store/shard.h"

namespace ingot {

// `url`: "https://127.0.0.1:6443".
apiserver::ExtraRoute credentials_route(store::Shard&, apiserver::Authority&, std::string url);
apiserver::ExtraRoute usage_route(env::Env&, store::Shard&);

}  // namespace ingot
