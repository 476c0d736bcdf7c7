// JSON texts that we wrote ourselves (an Object's), changed without reading all of them. Any thread.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "api/json.h"

namespace ingot::api {

// Appends the text of what set() would make of it. `text` is valid JSON without space between its parts.
void append_with(std::string& out, std::string_view text, std::initializer_list<std::string_view> path,
                 const Json& leaf);

}  // namespace ingot::api
