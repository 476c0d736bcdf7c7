// The DeviceClasses that every cluster has without storing them: by the names and the meaning of NVIDIA's driver.
// Plain values; any thread.
#pragma once

#include <span>
#include <string_view>

#include "api/json.h"

namespace ingot::api {

inline constexpr std::string_view kDeviceClasses = "deviceclasses.resource.k8s.io";
inline constexpr std::string_view kDeviceDriver = "gpu.nvidia.com";

struct BuiltinDeviceClass {
  std::string_view name, expression;  // of its only selector
};
std::span<const BuiltinDeviceClass> builtin_device_classes();  // in name order
JsonObject device_class_object(const BuiltinDeviceClass&);     // metadata holds the name alone

}  // namespace ingot::api
