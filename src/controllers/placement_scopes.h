// The objects that placement follows.
#pragma once

#include <string_view>
#include <vector>

#include "api/device_class.h"
#include "store/follower.h"

namespace ingot::controllers {

inline constexpr std::string_view kNodes = "nodes", kPods = "pods", kNamespaces = "namespaces";
inline constexpr std::string_view kSlices = "resourceslices.resource.k8s.io";
inline constexpr std::string_view kSliceSuffix = "-gpu.nvidia.com";
inline constexpr std::string_view kGroups = "podgroups.scheduling.x-k8s.io";
inline constexpr std::string_view kTenants = "tenants.factory.ingot.dev";
inline constexpr std::string_view kQueues = "queues.factory.ingot.dev", kPools = "pools.factory.ingot.dev";
inline constexpr std::string_view kClasses = api::kDeviceClasses;

std::vector<store::Scope> placement_scopes();

}  // namespace ingot::controllers
