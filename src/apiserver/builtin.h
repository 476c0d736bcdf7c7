// Objects every cluster has without storing them, beside the roles of rbac.h. Loop thread.
#pragma once

#include <vector>

#include "api/object.h"
#include "base/time.h"

namespace ingot::apiserver {

inline constexpr std::string_view kPriorityClasses = "priorityclasses.scheduling.k8s.io";

// All in name order: system-cluster-critical and system-node-critical; the classes of api/device_class.h.
std::vector<api::ObjectPtr> builtin_priority_classes(WallTime created);
std::vector<api::ObjectPtr> builtin_device_classes(WallTime created);

}  // namespace ingot::apiserver
