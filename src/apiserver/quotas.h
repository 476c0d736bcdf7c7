// Queues, Pools and Tenants judged against the others of the factory, as they are written: no rings, no guarantee
// beyond what stands above it, no names of tenants that do not exist, no queue taken away from under somebody.
// Loop thread, inside the turn.
#pragma once

#include "apiserver/context.h"

namespace ingot::apiserver {

inline constexpr std::string_view kQueues = "queues.factory.ingot.dev", kPools = "pools.factory.ingot.dev";

// `before`: nullptr on create. Only what changed is judged, so that nobody is stuck with what was right once.
Result<void> admit_quota(Call&, const api::Json* before, const api::Json& after);  // a Queue or a Tenant
Result<void> admit_pool(Call&, const api::Json* before, const api::Json& after);
Result<void> admit_queue_delete(Call&, std::string_view name);

}  // namespace ingot::apiserver
