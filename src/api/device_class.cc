#include "api/device_class.h"

namespace ingot::api {

std::span<const BuiltinDeviceClass> builtin_device_classes() {
  static constexpr BuiltinDeviceClass kClasses[] = {
      {"gpu.nvidia.com",
       "device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'gpu'"},
      {"mig.nvidia.com",
       "device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'mig'"},
  };
  return kClasses;
}

JsonObject device_class_object(const BuiltinDeviceClass& c) {
  const JsonObject selector{{"cel", JsonObject{{"expression", c.expression}}}};
  return {{"apiVersion", "resource.k8s.io/v1"},
          {"kind", "DeviceClass"},
          {"metadata", JsonObject{{"name", c.name}}},
          {"spec", JsonObject{{"selectors", JsonArray{selector}}}}};
}

}  // namespace ingot::api
