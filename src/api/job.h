// What a Job needs that depends on its uid: the selector of its pods and the labels that match it. Pure; any thread.
// Facts: pkg/registry/batch/job/strategy.go (generateSelector).
#pragma once

#include "api/json.h"

namespace ingot::api {

inline constexpr std::string_view kJobNameLabel = "batch.kubernetes.io/job-name";
inline constexpr std::string_view kControllerUidLabel = "batch.kubernetes.io/controller-uid";
inline constexpr std::string_view kOldJobNameLabel = "job-name";
inline constexpr std::string_view kOldControllerUidLabel = "controller-uid";

// Idempotent; nothing with spec.manualSelector. `job` has its name and uid.
void complete_job(Json& job);

}  // namespace ingot::api
