// What the factory answers beside Kubernetes' types, below /apis/factory.ingot.dev/v1alpha1:
//   GET usage?tenant=T&sinceSeconds=N                         who used what; a tenant's own in its own cluster
// Thread rule: the loop. Everything passed in outlives the routes.
#pragma once

#include "apiserver/server.h"
#include "env/env.h"
#include "store/shard.h"

namespace ingot {

apiserver::ExtraRoute usage_route(env::Env&, store::Shard&);

}  // namespace ingot
