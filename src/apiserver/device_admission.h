// What of DeviceClasses, ResourceClaims and their templates is more than shape: the selectors' expressions. Any thread.
#pragma once

#include <string>
#include <vector>

#include "api/registry.h"
#include "base/error.h"

namespace ingot::apiserver {

// 422 naming each expression that does not compile. Other kinds, and a spec that is as it was `before`, are good.
Result<void> check_selectors(const api::Resource&, const api::Json& object, const api::Json* before);

// What of a spec that is not as it was means nothing here, for its author: "spec.devices.config is ignored: …".
std::vector<std::string> ignored_of_devices(const api::Resource&, const api::Json& object,
                                            const api::Json* before);

}  // namespace ingot::apiserver
