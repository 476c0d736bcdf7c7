// Pods of runs, as they are stored: through the same admission as anybody's. Thread rule: the loop, in the turn given.
#pragma once

#include "api/registry.h"
#include "env/env.h"
#include "store/shard.h"

namespace ingot::pipelines {

// Error: why it may not be, for people.
Result<void> create_pod(store::Turn&, env::Env&, const api::Registry&, const api::Key& pod, api::Json object);
// Whether the pod there was made by this run for this node: nobody else can say so (api/reserved.h).
bool is_pod_of(const store::Turn&, const api::Key& pod, std::string_view run_uid, std::string_view node);
// A pod that runs ends by its deadline, so that its log stays; one that nobody runs yet is deleted.
void stop_pod(store::Turn&, const api::Key& pod, WallTime now);
void delete_object(store::Turn&, const api::Key&, WallTime now);

}  // namespace ingot::pipelines
