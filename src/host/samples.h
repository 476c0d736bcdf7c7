// Looks at boards as one line of JSON: what a sampling worker prints and its parent reads. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "gpu/sample.h"

namespace ingot::host {

std::string samples_to_json(const std::vector<gpu::Sample>&);
Result<std::vector<gpu::Sample>> samples_from_json(const std::string& line);

}  // namespace ingot::host
