// Changing JSON objects in linear time. Pure; any thread.
#pragma once

#include <functional>
#include <string_view>

#include "api/json.h"

namespace ingot::api {

// Erases the members `doomed` says true of, asked once each in order; the others keep their order.
void erase_if(JsonObject&, const std::function<bool(std::string_view key, Json& value)>& doomed);

}  // namespace ingot::api
