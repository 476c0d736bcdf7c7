// A device as expressions see it (k8s.io/dynamic-resource-allocation/cel): driver, attributes and capacity by domain.
// Pure; any thread.
#pragma once

#include <string_view>

#include "api/json.h"
#include "cel/value.h"

namespace ingot::cel {

// `device`: an entry of a ResourceSlice's spec.devices. A name without a domain is of the driver's. What is of no type
// that attributes have is left out.
Value device_value(std::string_view driver, const api::Json& device);

}  // namespace ingot::cel
